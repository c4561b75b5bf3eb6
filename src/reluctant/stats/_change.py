"""Where a run of numbers changed its level."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Change(NamedTuple):
    """One change of level.

    Attributes:
        at: The first position that belongs to the new level.
        rise: Median after minus median before, in the unit of the values.
        p_value: Chance of a change this clear in a run that has none; conservative.
    """

    at: int
    rise: float
    p_value: float


def change_point(values: ArrayLike) -> Change:
    """The one position that parts a run best into a low and a high side.

    Only ranks count, so one huge value weighs no more than any other [Pettitt1979].

    Args:
        values: Shape `(n,)`. inf is larger than every number; nan counts as inf.

    Returns:
        The change. At 0, rise 0 and p-value 1 if there are fewer than two values.

    Example:
        >>> change_point([1, 2, 1, 2, 1, 2, 8, 9, 8, 9, 8, 9]).at
        6
        >>> change_point([3.0, 3.0, 3.0]).p_value
        1.0

    References:
        [Pettitt1979] A non-parametric approach to the change-point problem,
        equations 1 and 2.
    """
    x = np.asarray(values, np.float64)
    x = np.where(np.isnan(x), np.inf, x)
    n = x.size
    if n < 2:
        return Change(0, 0.0, 1.0)
    order = np.sort(x)
    below = np.searchsorted(order, x, side="left")
    above = n - np.searchsorted(order, x, side="right")
    # sum over j of sign(x_i - x_j), summed over the first t values
    u = np.cumsum(below - above)[:-1].astype(np.float64)
    split = int(np.argmax(np.abs(u)))
    k = abs(float(u[split]))
    p = min(1.0, 2.0 * float(np.exp(-6.0 * k * k / (float(n) ** 3 + float(n) ** 2))))
    before, after = np.median(x[: split + 1]), np.median(x[split + 1 :])
    rise = 0.0 if before == after else float(after - before)
    return Change(split + 1, rise, p)
