"""Learning-rate schedules: what a network's rate is multiplied by at each step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["constant", "cosine", "exponential", "step_decay", "warm_up"]

Schedule = NDArray[np.float64]


def constant(steps: int) -> Schedule:
    """Return 1 at each of `steps` steps, shape `(steps,)`."""
    return np.ones(steps)


def step_decay(steps: int, *, every: int, factor: float) -> Schedule:
    """Return a schedule, shape `(steps,)`, multiplied by `factor` every `every` steps.

    Example:
        >>> step_decay(5, every=2, factor=0.5).tolist()
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return np.power(float(factor), np.arange(steps) // every)


def exponential(steps: int, *, factor: float) -> Schedule:
    """Return a schedule, shape `(steps,)`, multiplied by `factor` at every step.

    Example:
        >>> exponential(3, factor=0.5).tolist()
        [1.0, 0.5, 0.25]
    """
    return np.power(float(factor), np.arange(steps))


def cosine(steps: int, *, floor: float = 0.0) -> Schedule:
    """Return half a cosine from 1 towards `floor`, shape `(steps,)`.

    Example:
        >>> cosine(2).tolist()
        [1.0, 0.5]
    """
    wave = 0.5 * (1.0 + np.cos(np.pi * np.arange(steps) / max(steps, 1)))
    return np.asarray(floor + (1.0 - floor) * wave)


def warm_up(schedule: Schedule, *, steps: int) -> Schedule:
    """Return `schedule` with a straight rise to it over its first `steps` steps.

    Example:
        >>> warm_up(constant(3), steps=2).tolist()
        [0.5, 1.0, 1.0]
    """
    rise = np.minimum(1.0, (np.arange(schedule.size) + 1.0) / max(steps, 1))
    return schedule * rise
