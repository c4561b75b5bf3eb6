"""The ratio of two means, and how well a few samples know it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Ratio(NamedTuple):
    """A ratio of means.

    Attributes:
        value: mean(numerator) / mean(denominator); nan if it cannot be said.
        error: Standard error of the value; nan with fewer than three pairs.
        samples: How many finite pairs it rests on.
    """

    value: float
    error: float
    samples: int


def ratio_of_means(numerator: ArrayLike, denominator: ArrayLike) -> Ratio:
    """The ratio of two means over paired samples, with its jackknife error.

    The mean of the ratios is another number, ruled by the pairs with the smallest
    denominators; the ratio of the means is what a gauge averages to [Quenouille1956].

    Args:
        numerator: Shape `(n,)`.
        denominator: Shape `(n,)`, paired by position. Pairs that are not finite are
            left out. Units cancel where they are the same.

    Returns:
        The ratio. Its value is nan without pairs or with a mean denominator that is
        not positive.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> ratio_of_means([2.0, 6.0], [1.0, 3.0]).value
        2.0
        >>> ratio_of_means([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])  # no scatter, no error
        Ratio(value=2.0, error=0.0, samples=3)

    References:
        [Quenouille1956] Notes on bias in estimation.
    """
    a = np.asarray(numerator, np.float64)
    b = np.asarray(denominator, np.float64)
    if a.shape != b.shape:
        raise ValueError(
            f"numerator has shape {a.shape} and denominator {b.shape}, but a ratio of "
            f"means needs pairs: give one denominator for each numerator."
        )
    keep = np.isfinite(a) & np.isfinite(b)
    a, b = a[keep], b[keep]
    n = int(a.size)
    if not n or not b.sum() > 0:
        return Ratio(float("nan"), float("nan"), n)
    with np.errstate(all="ignore"):
        value = float(a.sum() / b.sum())
        if n < 3:
            return Ratio(value, float("nan"), n)
        left_out = (a.sum() - a) / (b.sum() - b)
        spread = ((left_out - left_out.mean()) ** 2).sum()
        return Ratio(value, float(np.sqrt((n - 1) / n * spread)), n)
