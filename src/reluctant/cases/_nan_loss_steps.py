"""The regression of `nan-loss`: its data, its trainings, and what each step does.

Longer than most files: data, training and measurement share their few types.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reluctant.lab import Training
from reluctant.live import watch
from reluctant.probes.step_gauge import StepTerms, step_terms
from reluctant.records import Diagnosis

Array = NDArray[np.float64]
FLATS, FEATURES = 200, 3
FAILING, WORKING = 0.001, 0.0001
QUADRATICS = (("flat", 2.0), ("steep", 20.0))  # name, curvature
TRILLION = 1e12
Model = Callable[[], nn.Module]
Rule = Callable[[Any], torch.optim.Optimizer]


@dataclass(frozen=True)
class Flats:
    """What is rented out, in the units in which people write it down.

    Attributes:
        x: Size (m²), rooms, age (years); shape `(flats, 3)`.
        y: Monthly rent (units of ten), shape `(flats, 1)`.
    """

    x: Array
    y: Array

    @classmethod
    def drawn(cls, seed: int) -> "Flats":
        """Rents that depend on the three features and on noise of 8."""
        random = np.random.default_rng([seed, 3])
        size = random.uniform(15, 65, FLATS)
        rooms = np.clip(np.round(size / 16 + random.normal(0, 0.7, FLATS)), 1, 6)
        age = random.uniform(0, 30, FLATS)
        rent = 20 + 0.9 * size + 8 * rooms - 0.6 * age + random.normal(0, 8, FLATS)
        return cls(np.stack([size, rooms, age], axis=1), rent[:, None])

    @property
    def standardized(self) -> "Flats":
        """The same with each feature at mean 0 and deviation 1; rents as they are."""
        return Flats((self.x - self.x.mean(axis=0)) / self.x.std(axis=0), self.y)

    @property
    def eigenvalues(self) -> Array:
        """Of the Hessian of a linear model's mean squared error, rising."""
        a = self._with_ones()
        return np.asarray(np.linalg.eigvalsh(2 * a.T @ a / len(a)), np.float64)

    @property
    def best(self) -> float:
        """The least loss of any linear model."""
        a = self._with_ones()
        fit = a @ np.linalg.lstsq(a, self.y)[0]
        return float(((fit - self.y) ** 2).mean())

    def batch(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """All flats, as one batch."""
        return torch.tensor(self.x, dtype=dtype), torch.tensor(self.y, dtype=dtype)

    def _with_ones(self) -> Array:
        return np.concatenate([self.x, np.ones((len(self.x), 1))], axis=1)


def linear(seed: int) -> nn.Module:
    """One linear layer, drawn as torch draws it."""
    return _drawn(seed, lambda: nn.Linear(FEATURES, 1))


def small_net(seed: int) -> nn.Module:
    """A hidden layer of eight tanh units: a loss that is no quadratic."""
    return _drawn(
        seed,
        lambda: nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, 1)),
    )


def sgd(rate: float) -> Rule:
    """Plain gradient descent."""
    return lambda parameters: torch.optim.SGD(parameters, lr=rate)


def adam(rate: float) -> Rule:
    """Adam, all else at its defaults."""
    return lambda parameters: torch.optim.Adam(parameters, lr=rate)


@dataclass
class Course:
    """One training.

    Attributes:
        loss: Before each step and after the last, shape `(steps + 1,)`.
        terms: gᵀu and uᵀHu of each step, where measured, shape `(steps, 2)`.
        rate: Learning rate.
    """

    rate: float
    loss: Array
    terms: Array = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def predicted(self) -> Array:
        """Change of the loss by each step, ½·uᵀHu − gᵀu."""
        change: Array = self.terms[:, 1] / 2 - self.terms[:, 0]
        return change

    @property
    def real(self) -> Array:
        """Change of the loss by each step that was measured."""
        return np.diff(self.loss)[: len(self.terms)]

    @property
    def limits(self) -> Array:
        """2·gᵀg / gᵀHg at each step, for u = rate·g."""
        limits: Array = 2 * self.rate * self.terms[:, 0] / self.terms[:, 1]
        return limits

    def first_above(self, level: float) -> int | None:
        """First step whose loss is above a level, None if there is none."""
        with np.errstate(invalid="ignore"):
            steps = np.flatnonzero(self.loss > level)
        return int(steps[0]) if steps.size else None

    @property
    def broke(self) -> int | None:
        """First step whose loss is no finite number, None if there is none."""
        steps = np.flatnonzero(~np.isfinite(self.loss))
        return int(steps[0]) if steps.size else None


def train(
    flats: Flats,
    rule: Rule,
    rate: float,
    steps: int,
    *,
    model: nn.Module,
    measure: bool = False,
) -> Course:
    """Train on all flats at once, in float32, or in float64 where steps are measured.

    Args:
        flats: What to learn.
        rule: Makes the optimizer.
        rate: Its learning rate, as it is told.
        steps: Optimizer steps.
        model: Is trained in place.
        measure: Whether to measure gᵀu and uᵀHu at each step. Float64, for a change of
            the loss is a difference of two numbers that are nearly equal.
    """
    dtype = torch.float64 if measure else torch.float32
    training = _training(flats, rule, model.to(dtype), dtype)
    rows: list[tuple[float, float]] = []

    def look(loss: Tensor) -> None:
        found = terms_of(training, loss)
        rows.append((found.gain, found.curvature))

    losses = training.step(steps, look=look if measure else None)
    last = float(training.loss(training.next_batch()).detach())
    return Course(rate, np.array([*losses, last]), np.array(rows).reshape(-1, 2))


def watched(flats: Flats, rule: Rule, steps: int, *, model: nn.Module) -> Diagnosis:
    """What the diagnosis says of a training that is watched."""
    training = _training(flats, rule, model, torch.float32)
    with watch(training.model, training.optimizer) as run:

        def look(loss: Tensor) -> None:
            run.loss(loss)

        training.step(steps, look=look)
    return run.diagnosis


def agreement(
    flats: Flats, model: nn.Module, fractions: tuple[float, ...]
) -> list[tuple[float, float]]:
    """How well two terms predict one step of a net whose loss is no quadratic.

    Args:
        flats: What it learns.
        model: In any state; it is not changed.
        fractions: Of the limit 2·gᵀg / gᵀHg, at which to take the step.

    Returns:
        For each fraction the predicted and the real change of the loss.
    """
    pairs = []
    start = _training(flats, sgd(1.0), model.double(), torch.float64).fork()
    limit = 2 * _rate_of_least_loss(terms_of(start, start.loss(start.next_batch())))
    for fraction in fractions:
        copy = start.fork()
        copy.optimizer.param_groups[0]["lr"] = fraction * limit
        predicted: list[float] = []

        def look(
            loss: Tensor, copy: Training = copy, predicted: list[float] = predicted
        ) -> None:
            predicted.append(terms_of(copy, loss).change)

        before = copy.step(1, look=look)[0]
        after = float(copy.loss(copy.next_batch()).detach())
        pairs.append((predicted[0], after - before))
    return pairs


def terms_of(training: Training, loss: Tensor) -> StepTerms:
    """Both terms of the step that this loss leads to."""
    return step_terms(loss, training.model.parameters(), training.optimizer)


def _rate_of_least_loss(terms: StepTerms) -> float:
    """gᵀg / gᵀHg, from the terms at rate one; infinite where nothing curves up."""
    return terms.gain / terms.curvature if terms.curvature > 0 else math.inf


def _training(
    flats: Flats, rule: Rule, model: nn.Module, dtype: torch.dtype
) -> Training:
    batches = [flats.batch(dtype)]
    return Training(model, nn.MSELoss(), rule(model.parameters()), batches)


def _drawn(seed: int, make: Model) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
