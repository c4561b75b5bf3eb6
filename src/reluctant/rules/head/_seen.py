"""What the rules on heads read of outputs and targets, over all sampled steps."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Loss, Quantity, Trace
from reluctant.records.quantities import (
    OUTPUT_MAX,
    OUTPUT_MIN,
    TARGET_MAX,
    TARGET_MEAN,
    TARGET_MIN,
    TARGET_SQUARE,
)
from reluctant.rules._base import Blind
from reluctant.rules._loss import sound

MIN_SAMPLES = 2  # sampled steps


class Head(NamedTuple):
    """Outputs and targets in numbers.

    Attributes:
        loss: What the loss is.
        low: Smallest output seen; nan where none was.
        high: Largest output.
        target_low: Smallest target; nan for classes.
        target_high: Largest target.
        target_std: Standard deviation of the targets within their outputs, mean.
        target_mean: Mean of each target, shape `(outputs,)`; empty for classes.
        steps: Sampled steps.
    """

    loss: Loss
    low: float
    high: float
    target_low: float
    target_high: float
    target_std: float
    target_mean: NDArray[np.float64]
    steps: int


def head(trace: Trace) -> Head:
    """Read the head.

    Raises:
        Blind: If no loss was seen, or too few sampled steps.
    """
    loss = trace.setup.loss
    if loss is None:
        raise Blind("no loss was seen with its graph")
    part = sound(trace)
    steps = len(_finite(part, OUTPUT_MIN))
    if steps < MIN_SAMPLES:
        raise Blind(f"outputs were sampled {steps} times, {MIN_SAMPLES} needed")
    means, squares = part.units(TARGET_MEAN, ""), part.units(TARGET_SQUARE, "")
    mean, std = np.zeros(0), math.nan
    if means.values.size and means.values.shape == squares.values.shape:
        keep = np.isfinite(means.values).all(1) & np.isfinite(squares.values).all(1)
        if keep.any():
            mean = means.values[keep].mean(0)
            variance = squares.values[keep].mean(0) - mean**2
            std = float(np.sqrt(np.maximum(variance, 0)).mean())
    return Head(
        loss,
        _end(part, OUTPUT_MIN, np.min),
        _end(part, OUTPUT_MAX, np.max),
        _end(part, TARGET_MIN, np.min),
        _end(part, TARGET_MAX, np.max),
        std,
        mean,
        steps,
    )


def _finite(trace: Trace, quantity: Quantity) -> NDArray[np.float64]:
    values = trace.series(quantity).values
    return values[np.isfinite(values)]


def _end(trace: Trace, quantity: Quantity, end: np.ufunc | object) -> float:
    values = _finite(trace, quantity)
    assert callable(end)
    return float(end(values)) if values.size else math.nan
