"""Summaries that one bad step cannot move."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def log_median(values: ArrayLike) -> float:
    """Median of the base-10 logarithms, leaving out what has none.

    Args:
        values: Any shape. Zeros, negatives, nan and inf are left out.

    Returns:
        The median in decades, or nan if nothing is left.

    Example:
        >>> log_median([1e-3, 1e-5, 0.0, float("nan"), 1e-4])
        -4.0
    """
    x = np.asarray(values, np.float64).ravel()
    x = x[np.isfinite(x) & (x > 0)]
    return float(np.median(np.log10(x))) if x.size else float("nan")


def block_medians(values: ArrayLike, blocks: int = 50) -> NDArray[np.float64]:
    """Medians of consecutive stretches of nearly equal length.

    Args:
        values: Shape `(n,)`. A stretch with a nan has the median nan.
        blocks: How many stretches at most; each has at least one value.

    Returns:
        Shape `(min(n, blocks),)`, in the unit of the values.

    Raises:
        ValueError: If `blocks` is less than 1.

    Example:
        One spike in each stretch of three leaves no trace:

        >>> block_medians([1, 9, 1, 2, 2, 99], blocks=2).tolist()
        [1.0, 2.0]
    """
    if blocks < 1:
        raise ValueError(f"blocks is {blocks}, but must be 1 or more.")
    x = np.asarray(values, np.float64)
    if not x.size:
        return np.zeros(0)
    return np.array([np.median(p) for p in np.array_split(x, min(blocks, x.size))])


def robust_slope(x: ArrayLike, y: ArrayLike) -> float:
    """Slope of a line through points, of which up to 29 % may lie anywhere.

    The median of the slopes between all pairs [Sen1968].

    Args:
        x: Shape `(n,)`.
        y: Shape `(n,)`. Points that are not finite are left out.

    Returns:
        Units of `y` per unit of `x`; nan if fewer than two distinct x are left.

    Raises:
        ValueError: If the shapes differ.

    Example:
        Five points on y = 2x, the middle one spoiled:

        >>> robust_slope([0, 1, 2, 3, 4], [0, 2, 1000, 6, 8])
        2.0

    References:
        [Sen1968] Estimates of the regression coefficient based on Kendall's tau.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape:
        raise ValueError(
            f"x has shape {a.shape} and y {b.shape}, but a slope needs pairs: give "
            f"one y for each x."
        )
    keep = np.isfinite(a) & np.isfinite(b)
    a, b = a[keep], b[keep]
    i, j = np.triu_indices(a.size, 1)
    apart = a[i] != a[j]
    i, j = i[apart], j[apart]
    return float(np.median((b[j] - b[i]) / (a[j] - a[i]))) if i.size else float("nan")
