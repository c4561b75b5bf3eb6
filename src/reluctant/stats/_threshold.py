"""The median of thresholds that are known only as brackets."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class MedianThreshold(NamedTuple):
    """Where half of the thresholds lie below.

    Attributes:
        value: Geometric middle of the median bracket; nan where that is open.
        low: Lower end of the interval; 0 where it is below everything tried.
        high: Upper end; inf where it is above everything tried.
        coverage: How often such an interval holds the median; less than was asked for
            where there are too few thresholds.
    """

    value: float
    low: float
    high: float
    coverage: float


def median_threshold(
    low: ArrayLike, high: ArrayLike, *, confidence: float = 0.95
) -> MedianThreshold:
    """Median of brackets, with an interval that assumes no distribution.

    The count of thresholds below the median is binomial with probability one half, so
    two order statistics enclose it. Taking the lower ends of the brackets for one and
    the upper ends for the other adds what the brackets leave open.

    Args:
        low: Lower end of each bracket, 0 where there is none. Shape `(n,)`.
        high: Upper end, or inf where there is none. Shape `(n,)`.
        confidence: Of the interval, where n allows it: 6 thresholds for 95 %.

    Raises:
        ValueError: If there is no bracket, shapes differ, or one is upside down.

    Example:
        >>> median_threshold([1, 1, 2, 2, 2, 4], [2, 2, 4, 4, 4, 8])[:3]
        (2.8284271247461903, 1.0, 8.0)

    References:
        [Conover1999] Practical nonparametric statistics, §3.2.
    """
    a = np.sort(np.asarray(low, dtype=np.float64))
    b = np.sort(np.asarray(high, dtype=np.float64))
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(
            f"lower ends have shape {a.shape} and upper ends {b.shape}: give one of "
            "each for at least one threshold."
        )
    if not bool(np.all(a <= b)):
        raise ValueError("a bracket's lower end is above its upper end: swap them.")
    n = len(a)
    tails = np.cumsum([math.comb(n, k) / 2**n for k in range(n)])
    # P(fewer than j below the median) must not exceed half of what may fail
    j = max(1, int(np.searchsorted(tails, (1 - confidence) / 2, side="right")))
    return MedianThreshold(
        value=math.sqrt(_middle(a) * _middle(b)) if _is_closed(a, b) else math.nan,
        low=float(a[j - 1]),
        high=float(b[n - j]),
        coverage=float(1 - 2 * tails[j - 1]),
    )


def _is_closed(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return _middle(a) > 0 and math.isfinite(_middle(b))


def _middle(values: NDArray[np.float64]) -> float:
    """Geometric mean of the one or two in the middle."""
    n = len(values)
    return math.sqrt(float(values[(n - 1) // 2]) * float(values[n // 2]))
