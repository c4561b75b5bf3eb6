"""Training on by some steps: in torch, or many plain networks at once when fused."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reluctant.changes import RateSchedule
from reluctant.changes._standardize import InputScaling
from reluctant.lab._cells import WINDOWS
from reluctant.lab._map_data import NotWholeError, whole_data
from reluctant.lab._map_fused import _key, _recognized
from reluctant.lab._recipe import Training
from reluctant.lab.engines import (
    Dataset,
    MLPSpec,
    UnsupportedError,
    parameters_of,
    train_many,
)

_LOOK_EVERY = 100  # steps between looks at the loss, so that diverged runs end soon


@dataclass(frozen=True)
class Progress:
    """What became of some steps.

    Attributes:
        steps: Steps done.
        windows: Mean loss of equal stretches of them, the last one left out if short.
        is_finite: Whether loss and weights are numbers.
        is_frozen: Whether nothing could ever change any more.
    """

    steps: int
    windows: tuple[float, ...]
    is_finite: bool
    is_frozen: bool = False


class Advance(Protocol):
    """Trains trainings on by some steps, in place."""

    def __call__(
        self, trainings: Sequence[Training], steps: int, orders: Sequence[int]
    ) -> list[Progress]:
        """Train each; `orders` are the seeds of the orders of their samples."""
        ...


def in_torch(
    trainings: Sequence[Training], steps: int, orders: Sequence[int]
) -> list[Progress]:
    """Train one after the other; each has its own order of samples already."""
    del orders
    return [_in_torch(training, steps) for training in trainings]


def _in_torch(training: Training, steps: int) -> Progress:
    losses: list[float] = []
    while len(losses) < steps:
        losses += training.step(min(steps - len(losses), _LOOK_EVERY))
        if not math.isfinite(losses[-1]):
            break
    window = max(1, steps // WINDOWS)
    means = [
        math.fsum(losses[i : i + window]) / window
        for i in range(0, len(losses) - window + 1, window)
    ]
    weights = all(bool(torch.isfinite(p).all()) for p in training.model.parameters())
    is_finite = weights and all(map(math.isfinite, losses))
    return Progress(len(losses), tuple(means), is_finite)


@dataclass(frozen=True)
class Plan:
    """A training as the fused engine takes it."""

    spec: MLPSpec
    rate: float
    schedules: tuple[RateSchedule, ...]
    data: str


def fused_plan(training: Training) -> Plan:
    """Read a training for the fused engine.

    Raises:
        UnsupportedError: If the engine would not do the same.
    """
    try:
        data = whole_data(training)
    except NotWholeError as error:
        raise UnsupportedError(str(error)) from None
    model, optimizer = training.model, training.optimizer
    hooks = list(optimizer._optimizer_step_pre_hooks.values())
    schedules = tuple(hook for hook in hooks if isinstance(hook, RateSchedule))
    after = len(optimizer._optimizer_step_post_hooks)
    if len(schedules) != len(hooks) or after != len(schedules):
        raise UnsupportedError("the optimizer has hooks")
    if "forward" in vars(model):
        raise UnsupportedError("the model has a forward pass of its own")
    for module in model.modules():
        own = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
        if module is model:
            own = [hook for hook in own if not isinstance(hook, InputScaling)]
        if own:
            raise UnsupportedError("a module has hooks")
    spec, rate = _recognized(training, data)
    return Plan(spec, rate, schedules, _key(data, training) + repr(_scaling(model)))


def _scaling(model: nn.Module) -> list[InputScaling]:
    hooks = model._forward_pre_hooks.values()
    return [hook for hook in hooks if isinstance(hook, InputScaling)]


class Fused:
    """Trains plain networks together, one network a thread.

    Args:
        threads: At a time.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def __call__(
        self, trainings: Sequence[Training], steps: int, orders: Sequence[int]
    ) -> list[Progress]:
        """See `Advance`.

        Raises:
            UnsupportedError: If one of them is no plain network.
        """
        plans = [fused_plan(training) for training in trainings]
        lots: dict[tuple[MLPSpec, str, bytes], list[int]] = {}
        for at, plan in enumerate(plans):
            factors = _factors(plan.schedules, steps)
            lots.setdefault((plan.spec, plan.data, factors.tobytes()), []).append(at)
        found: dict[int, Progress] = {}
        for (spec, _, factors_bytes), places in lots.items():
            factors = np.frombuffer(factors_bytes)
            some = [trainings[i] for i in places]
            rates = [plans[i].rate for i in places]
            seeds = [orders[i] for i in places]
            progress = self._lot(spec, some, rates, factors, steps, seeds)
            found |= dict(zip(places, progress, strict=True))
        for plan in plans:
            for schedule in plan.schedules:
                schedule.done += steps
        return [found[i] for i in range(len(trainings))]

    def _lot(
        self,
        spec: MLPSpec,
        trainings: list[Training],
        rates: list[float],
        factors: NDArray[np.float64],
        steps: int,
        seeds: list[int],
    ) -> list[Progress]:
        data = whole_data(trainings[0])
        x = data.inputs.detach()
        for scaling in _scaling(trainings[0].model):
            x = scaling.scaled(x)
        rows = x.reshape(len(x), -1).numpy()
        samples = np.arange(len(rows))
        runs = train_many(
            spec,
            [parameters_of(training.model) for training in trainings],
            Dataset(rows, data.targets.detach().numpy()),
            learning_rates=rates,
            steps=steps,
            schedule=factors,
            seeds=seeds,
            orders=None if data.order == "shuffled" else lambda network, epoch: samples,
            record_every=max(1, steps // WINDOWS),
            threads=self._threads,
            dtype=rows.dtype.type,
        )
        found = []
        for training, run in zip(trainings, runs, strict=True):
            linears = [m for m in training.model.modules() if isinstance(m, nn.Linear)]
            with torch.no_grad():
                for linear, (w, b) in zip(linears, run.parameters, strict=True):
                    linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
                    if b is not None:
                        linear.bias.copy_(torch.from_numpy(np.ascontiguousarray(b)))
            window = max(1, steps // WINDOWS)
            means = tuple(
                float(loss)
                for step, loss in zip(run.records.step, run.records.loss, strict=True)
                if step % window == 0
            )
            is_finite = run.finite and run.stop != "nonfinite"
            found.append(Progress(run.steps, means, is_finite, run.stop == "frozen"))
        return found


def _factors(schedules: tuple[RateSchedule, ...], steps: int) -> NDArray[np.float64]:
    """What the rate is multiplied by at each step."""
    factors = np.ones(steps)
    for schedule in schedules:
        if not schedule.is_paused:
            factors *= [schedule.factor(schedule.done + k) for k in range(steps)]
    return factors
