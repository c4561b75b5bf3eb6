"""Whether the outputs differ between samples at all."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Trace
from reluctant.records.quantities import (
    OUTPUT_MEAN,
    OUTPUT_SQUARE,
    OUTPUT_VARIATION,
    TARGET_COUNT,
    TARGET_MEAN,
    TARGET_SQUARE,
)


class Spread(NamedTuple):
    """Variance of the outputs between samples, mean over outputs.

    Attributes:
        steps: Shape `(n,)`: sampled steps; one entry where batches hold one sample and
            the variance is that over all of them.
        values: Shape `(n,)`, in squared units of the output.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


def spread(trace: Trace, since: int = 0, until: int | None = None) -> Spread:
    """Read how far the outputs of one batch lie apart.

    Batches of one sample have no variance of their own: there the outputs of all
    sampled steps are pooled, which adds how far the network moved between them.
    """
    until = trace.last_step if until is None else until
    at, mean = trace.units(OUTPUT_MEAN, "")
    square_at, square = trace.units(OUTPUT_SQUARE, "")
    within_at, within = trace.series(OUTPUT_VARIATION)
    keep = np.isfinite(within) & (within_at >= since) & (within_at <= until)
    level = dict(zip(square_at.tolist(), square, strict=True))
    rows = [
        (step, share * float(level[step].mean()))
        for step, share in zip(within_at[keep].tolist(), within[keep], strict=True)
        if step in level and np.isfinite(level[step]).all()
    ]
    if rows:
        steps, values = zip(*rows, strict=True)
        return Spread(np.array(steps, np.int64), np.array(values))
    keep = (at >= since) & (at <= until)
    if keep.sum() < 2 or mean.shape != square.shape:
        return Spread(np.zeros(0, np.int64), np.zeros(0))
    first, second = mean[keep], square[keep]
    finite = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    if finite.sum() < 2:
        return Spread(np.zeros(0, np.int64), np.zeros(0))
    pooled = second[finite].mean(0) - first[finite].mean(0) ** 2
    return Spread(at[keep][-1:], np.array([float(np.maximum(pooled, 0).mean())]))


def middle(values: NDArray[np.float64]) -> float:
    """The median, nan of nothing."""
    return float(np.median(values)) if values.size else math.nan


def stands(trace: Trace) -> bool:
    """Whether the targets are drawn from one distribution all along.

    Those of a critic, or of a discriminator's turns, move.
    """
    for quantity, square in ((TARGET_COUNT, None), (TARGET_MEAN, TARGET_SQUARE)):
        rows = trace.units(quantity, "").values
        rows = rows[np.isfinite(rows).all(axis=1)] if rows.size else rows
        if len(rows) < 6:
            continue
        third = len(rows) // 3
        first, last = rows[:third], rows[-third:]
        error = np.sqrt(first.var(0) / third + last.var(0) / third)
        floor = 1e-6 * np.abs(rows).mean(0)
        if (np.abs(first.mean(0) - last.mean(0)) > 5 * error + floor).any():
            return False
        if square is not None:
            power = trace.units(square, "").values
            spread_first, spread_last = power[:third].mean(0), power[-third:].mean(0)
            if (np.maximum(spread_first, spread_last) > 2 * np.minimum(
                spread_first, spread_last
            ) + 1e-12).any():  # fmt: skip
                return False
    return True
