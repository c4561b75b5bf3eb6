"""The same trainings in torch, under watch."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reluctant.cases._data import Digits
from reluctant.cases._sigmoid_init_nets import BATCH, CLASSES, HIDDEN, Arm
from reluctant.lab import Training
from reluctant.live import watch


class Shuffled:
    """Minibatches, in a new order each epoch."""

    def __init__(self, data: Digits, seed: int) -> None:
        self._random = np.random.default_rng([seed, 7])
        self._x = torch.from_numpy(data.train_x)
        self._y = torch.from_numpy(data.train_y)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.from_numpy(self._random.permutation(len(self._x)))
        for some in order.split(BATCH):
            yield self._x[some], self._y[some]


def make(data: Digits, arm: Arm, seed: int) -> Training:
    """The training in torch, from the first weights that the engine begins with."""
    kind = nn.Sigmoid if arm.activation == "sigmoid" else nn.ReLU
    layers: list[nn.Module] = []
    widths = (data.inputs, *HIDDEN)
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), kind()]
    model = nn.Sequential(*layers, nn.Linear(HIDDEN[-1], CLASSES))
    arrays = [array for pair in arm.start(seed, data.inputs) for array in pair]
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), arrays, strict=True):
            assert array is not None
            parameter.copy_(torch.from_numpy(array))
    optimizer = torch.optim.SGD(model.parameters(), lr=arm.rate, weight_decay=arm.decay)
    return Training(model, nn.CrossEntropyLoss(), optimizer, Shuffled(data, seed))


def watched(data: Digits, arm: Arm, seed: int, steps: int) -> dict[str, Any]:
    """What the diagnosis says of one training."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # ten images a step leave nothing to share
    try:
        training = make(data, arm, seed)
        with watch(training.model, training.optimizer) as run:

            def look(loss: Tensor) -> None:
                run.loss(loss)

            training.step(steps, look=look)
    finally:
        torch.set_num_threads(threads)
    diagnosis = run.diagnosis
    root = diagnosis.root
    headline = f"{root.code} {root.name} {root.message}" if root else "nothing found"
    return {
        "arm": arm.name,
        "rate": arm.rate,
        "steps": steps,
        "headline": headline,
        "root": root.code if root else None,
        "findings": [f"{f.code} {f.name}" for f in diagnosis.findings],
    }
