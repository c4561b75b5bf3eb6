"""What the inputs were, over all sampled steps, and whether the training suffers."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Trace
from reluctant.records.quantities import INPUT_MEAN, INPUT_SQUARE
from reluctant.rules._base import Blind
from reluctant.rules._constant import skill
from reluctant.rules._gauge import first_gauges
from reluctant.rules._harm import harms
from reluctant.rules._loss import sound


class Features(NamedTuple):
    """Input features.

    Attributes:
        rms: Of each feature, shape `(features,)`.
        std: Of each feature, over all samples seen.
        mean: Of each feature.
    """

    rms: NDArray[np.float64]
    std: NDArray[np.float64]
    mean: NDArray[np.float64]

    @property
    def overall(self) -> float:
        """Root mean square over all features."""
        return float(np.sqrt((self.rms**2).mean()))


def features(trace: Trace) -> Features:
    """Read the inputs.

    Raises:
        Blind: If none were sampled, or they are whole numbers, which have no scale.
    """
    means, squares = trace.units(INPUT_MEAN, ""), trace.units(INPUT_SQUARE, "")
    mean, square = means.values, squares.values
    if mean.ndim != 2 or mean.shape != square.shape or not mean.size:
        raise Blind("no input with a scale was sampled")
    keep = np.isfinite(mean).all(1) & np.isfinite(square).all(1)
    if not keep.any():
        raise Blind("no input with a scale was sampled")
    first, second = mean[keep].mean(0), square[keep].mean(0)
    std = np.sqrt(np.maximum(second - first**2, 0))
    return Features(np.sqrt(np.maximum(second, 0)), std, first)


class Trouble(NamedTuple):
    """What the training suffers from.

    Attributes:
        text: A clause.
        step: Since when.
        gauge: The step gauge at the start, the least of three; nan if unknown or no
            harm came of a step.
        largest: The largest of the three.
    """

    text: str
    step: int
    gauge: float
    largest: float


def trouble(trace: Trace, *, level: float, min_steps: int) -> Trouble | None:
    """Harm of too long a step, or a network that learns nothing; None if all is well.

    Args:
        trace: The run.
        level: Skill below which the network counts as not having learnt.
        min_steps: Before so many steps only harm counts.
    """
    found = harms(trace, level=level)
    if found:
        return Trouble(found[0].text, found[0].step, *first_gauges(trace))
    learnt = skill(sound(trace))
    if learnt.is_exact and learnt.is_none(level) and trace.last_step + 1 >= min_steps:
        steps = trace.last_step + 1
        text = f"nothing is learnt in {steps} steps (skill {learnt.value:.3f})"
        return Trouble(text, 0, math.nan, math.nan)
    return None
