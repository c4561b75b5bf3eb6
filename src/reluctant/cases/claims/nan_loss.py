"""What was said about a loss that rises to nan: rates, Adam, and the Hessian."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reluctant.cases.claims._compare import Scale, always, bars, shares
from reluctant.lab import Training
from reluctant.probes.step_gauge import step_terms
from reluctant.records import ClaimResult

Array = NDArray[np.float64]
SAMPLES, STEPS = 200, 1000
SGD_RATE, ADAM_RATE = 0.01, 0.001  # defaults of Keras
NEAR = 1.01  # times the least possible loss


@dataclass(frozen=True)
class Regression:
    """A linear regression as people write it down: features in units of their own.

    Attributes:
        x: Shape `(samples, features)`.
        y: Shape `(samples,)`.
    """

    x: Array
    y: Array

    @classmethod
    def drawn(cls, seed: int, spread: float = 2.0) -> "Regression":
        """Two to eight features, each scaled by up to so many decades either way."""
        random = np.random.default_rng([seed, 10])
        features = int(random.integers(2, 9))
        scale = 10 ** random.uniform(-spread / 2, spread, features)
        offset = random.uniform(0, 2, features)
        x = (random.normal(size=(SAMPLES, features)) + offset) * scale
        y = (x / scale) @ random.normal(size=features) + random.normal(0, 0.3, SAMPLES)
        return cls(x, y)

    @property
    def standardized(self) -> "Regression":
        """Features of mean 0 and deviation 1."""
        return Regression((self.x - self.x.mean(0)) / self.x.std(0), self.y)

    @property
    def design(self) -> Array:
        """The features and a column of ones."""
        return np.concatenate([self.x, np.ones((len(self.x), 1))], axis=1)

    @property
    def hessian(self) -> Array:
        """Of the mean squared error."""
        return 2 * self.design.T @ self.design / len(self.x)

    @property
    def least(self) -> float:
        """The least possible loss."""
        fit = self.design @ np.linalg.lstsq(self.design, self.y)[0]
        return float(((fit - self.y) ** 2).mean())


def descend(problem: Regression, rate: float, *, adam: bool = False) -> Array:
    """The loss before each of `STEPS` full-batch steps, and after the last."""
    a, y = problem.design, problem.y
    w, m, v = (np.zeros(a.shape[1]) for _ in range(3))
    losses = []
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(1, STEPS + 2):
            residual = a @ w - y
            losses.append(float((residual**2).mean()))
            gradient = 2 * a.T @ residual / len(y)
            if adam:
                m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
                root = np.sqrt(v / (1 - 0.999**step))
                w = w - rate * m / (1 - 0.9**step) / (root + 1e-8)
            else:
                w = w - rate * gradient
    return np.array(losses)


def _behaves(losses: Array) -> bool:
    """Whether the loss ended as a number below where it began."""
    return bool(np.isfinite(losses[-1]) and losses[-1] <= losses[0])


def _learned(problem: Regression, losses: Array) -> bool:
    return bool(losses[-1] <= NEAR * problem.least)


def _problems(scale: Scale, quick: int, full: int) -> list[Regression]:
    return [Regression.drawn(seed) for seed in scale.seeds(quick, full)]


_POPULATION = (
    "{n} linear regressions of 2 to 8 features, each scaled by 0.1 to 10, "
    "200 samples, mean squared error, full-batch steps from zero, float64"
)


def adam_behaves(scale: Scale) -> ClaimResult:
    """Adam against SGD, both at their default rates, with and without scaling."""
    problems = _problems(scale, 60, 300)
    found = []
    for setting, of in (("features as they are", False), ("standardized", True)):
        some = [p.standardized if of else p for p in problems]
        courses = {
            "SGD 0.01": [descend(p, SGD_RATE) for p in some],
            "Adam 0.001": [descend(p, ADAM_RATE, adam=True) for p in some],
        }
        falls = {label: list(map(_behaves, all_)) for label, all_ in courses.items()}
        found.append(shares(f"{setting}, the loss falls", *falls.items()))
        learned = {
            label: [_learned(p, c) for p, c in zip(some, all_, strict=True)]
            for label, all_ in courses.items()
        }
        found.append(shares(f"{setting}, learned", *learned.items()))
    name, measure = "adam-behaves", "problems on which it does"
    return ClaimResult(
        name=name,
        case="nan-loss",
        claim="Adam is better-behaved than SGD at the default learning rates.",
        population=_POPULATION.format(n=len(problems))
        + f", {STEPS} steps; SGD 0.01 and "
        "Adam 0.001, Keras' defaults",
        measure=measure,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(name, "Adam or SGD at default rates", measure, found),
        remark=f"Learned: within 1 % of the least possible loss after {STEPS} steps. "
        "Adam does not break, but at 0.001 it goes no further than about one unit a "
        "weight.",
    )


def order_of_magnitude(scale: Scale) -> ClaimResult:
    """A rate that trains, and ten times it."""
    problems = _problems(scale, 60, 300)
    found = []
    for setting, of in (("features as they are", False), ("standardized", True)):
        some = [p.standardized if of else p for p in problems]
        decided = [_decided(p, adam=False) for p in some]
        found.append(
            always(f"SGD, {setting}", "ten times the rate", decided, least=0.9)
        )
        decided = [_decided(p, adam=True) for p in some]
        found.append(
            always(f"Adam, {setting}", "ten times the rate", decided, least=0.9)
        )
        scale.progress(f"{setting}: rates of a decade apart tried")
    name = "order-of-magnitude"
    measure = (
        "problems where the largest power of ten that trains fails at ten times it"
    )
    return ClaimResult(
        name=name,
        case="nan-loss",
        claim="One order of magnitude of the learning rate decides whether the loss "
        "falls or rises to nan.",
        population=_POPULATION.format(n=len(problems))
        + f", {STEPS} steps at rates from 10⁻⁷ to 10",
        measure=measure,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(
            name, "One order of magnitude of the learning rate", measure, found
        ),
        remark="Fails: the loss is no number, or a million times what it began with.",
    )


def _decided(problem: Regression, *, adam: bool) -> bool:
    """Whether some power of ten trains and the next one breaks."""
    rates = [10.0**k for k in range(-7, 2)]
    trained = None
    for rate in rates:
        losses = descend(problem, rate, adam=adam)
        last = losses[-1]
        if _behaves(losses):
            trained = rate
        elif trained is not None:
            broke = not math.isfinite(last) or last > 1e6 * losses[0]
            return broke and rate < 11 * trained
    return False


def second_order(scale: Scale) -> ClaimResult:
    """The sign of ½ε²gᵀHg − εgᵀg against the loss's real change."""
    found = []
    for setting, make in _NETS.items():
        hits = [
            hit
            for seed in scale.seeds(20, 100)
            for hit in _signs(make, seed, _FRACTIONS)
        ]
        scale.progress(f"{setting}: {sum(hits)} of {len(hits)} steps told rightly")
        found.append(always(setting, "sign told", hits, least=0.9))
    name, measure = "second-order", "steps whose rise or fall is told beforehand"
    return ClaimResult(
        name=name,
        case="nan-loss",
        claim="½ε²·gᵀHg − ε·gᵀg tells whether a step raises the loss.",
        population=f"{len(scale.seeds(20, 100))} networks a kind, each at its start "
        f"and after 100 steps, one full-batch step at {len(_FRACTIONS)} shares of the "
        f"limit 2·gᵀg/gᵀHg from {_FRACTIONS[0]:g} to {_FRACTIONS[-1]:g}; float64",
        measure=measure,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(name, "Two terms tell where a step leads", measure, found),
        remark="Steps of one network are not independent, so the intervals are "
        "somewhat too narrow. Shares of the limit within a tenth of 1 are left out: "
        "there the change is near 0.",
    )


_FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.5, 2.0, 4.0)
_NETS = {
    "linear": lambda: nn.Linear(4, 1),
    "tanh, one layer of 16": lambda: nn.Sequential(
        nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1)
    ),
    "ReLU, two layers of 16": lambda: nn.Sequential(
        nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
    ),
}


def _signs(make: object, seed: int, fractions: Sequence[float]) -> list[bool]:
    hits = []
    for steps in (0, 100):
        training = _net(make, seed)
        training.step(steps)
        batch = training.next_batch()
        terms = step_terms(
            training.loss(batch), training.model.parameters(), training.optimizer
        )
        rate = training.optimizer.param_groups[0]["lr"]
        if not (terms.curvature > 0 and terms.gain > 0):
            continue  # no limit: nothing curves up along the gradient
        limit = 2 * rate * terms.gain / terms.curvature
        for fraction in fractions:
            copy = training.fork()
            copy.optimizer.param_groups[0]["lr"] = fraction * limit
            before = copy.step(1)[0]
            after = float(copy.loss(batch).detach())
            hits.append((after > before) == (fraction > 1))
    return hits


def _net(make: object, seed: int) -> Training:
    assert callable(make)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make().double()
        x = torch.randn(SAMPLES, 4, dtype=torch.float64)
        y = torch.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3] + 0.1 * torch.randn(SAMPLES, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return Training(model, nn.MSELoss(), optimizer, [(x, y.double())])


def ill_conditioning(scale: Scale) -> ClaimResult:
    """The best fixed step on raw and on standardized features."""
    problems = _problems(scale, 60, 300)
    won: dict[str, list[bool]] = {"as they are": [], "standardized": []}
    numbers: dict[str, list[float]] = {label: [] for label in won}
    for problem in problems:
        for label, some in (
            ("as they are", problem),
            ("standardized", problem.standardized),
        ):
            values = np.linalg.eigvalsh(some.hessian)
            losses = descend(some, 2 / float(values[0] + values[-1]))
            won[label].append(_learned(some, losses))
            numbers[label].append(float(values[-1] / values[0]))
    found = [shares("best fixed step", *won.items())]
    middle = {label: float(np.median(some)) for label, some in numbers.items()}
    name, measure = "ill-conditioning", f"problems learned in {STEPS} steps"
    return ClaimResult(
        name=name,
        case="nan-loss",
        claim="An ill-conditioned Hessian makes gradient descent stick.",
        population=_POPULATION.format(n=len(problems))
        + f", {STEPS} steps at the best fixed rate 2/(λmin + λmax)",
        measure=measure,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(name, "Conditioning: how often it is learned", measure, found),
        remark=f"Median condition number {middle['as they are']:.2g} as they are, "
        f"{middle['standardized']:.2g} standardized.",
    )
