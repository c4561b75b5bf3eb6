"""The same training in torch, under watch."""

from typing import Any

import torch
from torch import Tensor, nn

from reluctant.cases._data import Digits
from reluctant.cases._relu_net import Weights, order
from reluctant.cases._relu_net_kind import HIDDEN, OUTPUTS
from reluctant.lab import Training
from reluctant.live import watch
from reluctant.records import Diagnosis


class HalfSquares(nn.Module):
    """½·Σ(y − t)² over the outputs of one sample."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch of one."""
        return nn.functional.mse_loss(outputs, targets, reduction="sum") / 2


class Samples:
    """Single samples, in the order that the other trainings take them."""

    def __init__(self, data: Digits, seed: int) -> None:
        self._seed, self._epoch = seed, -1
        self._x = torch.from_numpy(data.train_x)
        self._t = nn.functional.one_hot(torch.from_numpy(data.train_y), OUTPUTS).float()

    def __iter__(self) -> Any:
        self._epoch += 1
        for index in order(self._seed, self._epoch, len(self._x)):
            yield self._x[index, None], self._t[index, None]


def network(data: Digits, initial: Weights) -> nn.Sequential:
    """The case's network in torch."""
    model = nn.Sequential(
        nn.Linear(data.inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUTPUTS), nn.ReLU()
    )
    arrays = initial.W1.T, initial.b1, initial.W2, initial.b2
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(array.copy()))
    return model


def make(data: Digits, rate: float, seed: int) -> Training:
    """The training in torch; its first weights and its order are the others'."""
    model = network(data, Weights.initial(seed, data))
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    return Training(model, HalfSquares(), optimizer, Samples(data, seed))


def watched(
    data: Digits, rates: dict[str, float], seed: int, steps: int
) -> dict[str, dict[str, Any]]:
    """Watch one training at each rate; what the diagnosis says."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one sample a step leaves nothing to share
    try:
        return {
            name: _told(_watch(data, rate, seed, steps), rate, steps)
            for name, rate in rates.items()
        }
    finally:
        torch.set_num_threads(threads)


def _watch(data: Digits, rate: float, seed: int, steps: int) -> Diagnosis:
    training = make(data, rate, seed)
    with watch(training.model, training.optimizer) as run:

        def look(loss: Tensor) -> None:
            run.loss(loss)

        training.step(steps, look=look)
    return run.diagnosis


def _told(diagnosis: Diagnosis, rate: float, steps: int) -> dict[str, Any]:
    root = diagnosis.root
    headline = f"{root.code} {root.name} {root.message}" if root else "nothing found"
    return {
        "rate": rate,
        "steps": steps,
        "headline": headline,
        "root": root.code if root else None,
        "findings": [f"{f.code} {f.name}" for f in diagnosis.findings],
        "clear": len(diagnosis.ruled_out),
        "blind": len(diagnosis.blind),
    }
