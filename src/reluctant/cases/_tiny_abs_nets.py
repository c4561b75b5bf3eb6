"""The networks of `tiny-abs`: where they start, what and how they learn."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from reluctant.lab.engines import (
    Adam,
    Dataset,
    MLPSpec,
    Parameters,
    Run,
    evaluate,
    train_many,
)

Floats: TypeAlias = NDArray[np.float64]
Spread: TypeAlias = Literal["gauss", "square", "skewed"]
Start: TypeAlias = Callable[[int], Parameters]

SAMPLES, BATCH = 2048, 32
UNITS, RATE = 3, 1e-3
STEPS, DECAYED = 11_000, 1_000
SUCCESS = 1.1  # times the best known loss
SPEC = MLPSpec((2, UNITS, 1), optimizer=Adam(eps=1e-7), batch_size=BATCH)


@dataclass(frozen=True)
class Plane:
    """Points of the plane and how far they are from the origin.

    Attributes:
        name: How the points are spread.
        x: Shape `(samples, 2)`.
        y: |x + jy|, shape `(samples, 1)`.
    """

    name: Spread
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    @classmethod
    def drawn(cls, name: Spread, seed: int) -> "Plane":
        """Sobol points: N(0, I); even on [−1, 1]²; or exponential, less its mean."""
        engine = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed)
        u = engine.draw(SAMPLES, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
        if name == "gauss":
            x = torch.special.ndtri(u).numpy()
        elif name == "square":
            x = (2 * u - 1).numpy()
        else:
            x = (-torch.log1p(-u) - 1).numpy()
        y = np.hypot(x[:, 0], x[:, 1])[:, None]
        return cls(name, x.astype(np.float32), y.astype(np.float32))

    @property
    def dataset(self) -> Dataset:
        """For the engine."""
        return Dataset(self.x, self.y)


def keras_start(seed: int) -> Parameters:
    """Glorot-uniform weights and zero biases, as a Keras `Dense` layer begins."""
    random = np.random.default_rng([seed, 2])
    pairs = []
    for inputs, outputs in ((2, UNITS), (UNITS, 1)):
        limit = math.sqrt(6 / (inputs + outputs))
        weight = random.uniform(-limit, limit, (outputs, inputs))
        pairs.append((weight.astype(np.float32), np.zeros(outputs, np.float32)))
    return list(pairs)


@dataclass(frozen=True)
class Trials:
    """Many trainings that differ in where they start and in the order of samples.

    Attributes:
        plane: What they learned.
        starts: Parameters before the first step.
        ends: Parameters after the last.
        loss: Over all samples, at the end, shape `(n,)`.
        steps: Steps at which `curves` has a value, shape `(k,)`.
        curves: Mean loss over the steps before, shape `(n, k)`.
    """

    plane: Plane
    starts: list[Parameters]
    ends: list[Parameters]
    loss: Floats
    steps: NDArray[np.int64]
    curves: Floats

    def successes(self, best: float) -> NDArray[np.bool_]:
        """Which ended within a tenth of the best known loss, shape `(n,)`."""
        found: NDArray[np.bool_] = self.loss <= SUCCESS * best
        return found


def trials(
    plane: Plane,
    seeds: Sequence[int],
    *,
    start: Start = keras_start,
    steps: int = STEPS,
    progress: Callable[[str], None] = lambda line: None,
) -> Trials:
    """Train one network for each seed, with Keras' defaults but for where it starts.

    Args:
        plane: What to learn.
        seeds: Of the start and of the order of samples.
        start: Gives a network's first parameters.
        steps: Optimizer steps; the rate falls to zero over the last eleventh.
        progress: Given a line if the engine has to be compiled.
    """
    starts = [start(seed) for seed in seeds]
    schedule = np.ones(steps)
    decayed = steps * DECAYED // STEPS
    schedule[steps - decayed :] = np.linspace(1, 0, decayed + 1)[1:]
    runs: list[Run] = train_many(
        SPEC,
        starts,
        plane.dataset,
        learning_rates=np.full(len(starts), RATE),
        steps=steps,
        schedule=schedule,
        seeds=seeds,
        record_every=max(1, steps // 55),
        threads=1 if len(starts) < 8 else None,
        notify=progress,
    )
    ends = [run.parameters for run in runs]
    return Trials(
        plane,
        starts,
        ends,
        np.array([evaluate(SPEC, end, plane.dataset)[0] for end in ends]),
        runs[0].records.step,
        np.array([run.records.loss for run in runs]),
    )


def best_loss(plane: Plane, *, restarts: int, seed: int) -> float:
    """The least loss of three units, by many local searches to convergence.

    Levenberg and Marquardt's method in float64 on all samples, from Gaussian starts.
    """
    x, y = plane.x.astype(float), plane.y[:, 0].astype(float)
    random = np.random.default_rng([seed, 5])
    found = (_search(x, y, random.normal(size=4 * UNITS + 1)) for _ in range(restarts))
    return min(found)


def _search(x: Floats, y: Floats, p: Floats, *, rounds: int = 120) -> float:
    """Go down from one start; the loss there."""
    residual, slopes = _residual(x, y, p)
    loss, damping = float(residual @ residual), 1.0
    for _ in range(rounds):
        hessian, gradient = slopes.T @ slopes, slopes.T @ residual
        diagonal = np.diag(damping * (np.diag(hessian) + 1e-9))
        trial = p - np.linalg.solve(hessian + diagonal, gradient)
        again, slopes_again = _residual(x, y, trial)
        new = float(again @ again)
        if new < loss:
            done = loss - new < 1e-12 * loss
            p, residual, slopes, loss = trial, again, slopes_again, new
            damping = max(damping / 4, 1e-9)
            if done:
                break
        else:
            damping *= 4
            if damping > 1e12:
                break
    return loss / len(x)


def _residual(x: Floats, y: Floats, p: Floats) -> tuple[Floats, Floats]:
    """What is left to explain, and how it moves with each parameter."""
    w, b, a, c = p[: 2 * UNITS].reshape(UNITS, 2), p[6:9], p[9:12], p[12]
    z = x @ w.T + b
    on = (z > 0).astype(float)
    h = z * on
    back = on * a
    parts: list[Any] = [
        (back[:, :, None] * x[:, None, :]).reshape(len(x), -1),
        back,
        h,
        np.ones((len(x), 1)),
    ]
    return h @ a + c - y, np.concatenate(parts, axis=1)
