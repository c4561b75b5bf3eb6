"""How long units have been silent, and what that says about how often they speak."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Silence(NamedTuple):
    """The last silence of each unit, next to the silences that it came back from.

    Attributes:
        rows: Shape `(units,)`: length of the silence that lasts until the end; 0 for
            a unit that spoke in the last row.
        longest: Shape `(units,)`: the longest silence that ended; 0 if there is none.
        ever: Shape `(units,)`: whether the unit ever spoke.
    """

    rows: NDArray[np.int64]
    longest: NDArray[np.int64]
    ever: NDArray[np.bool_]


def silences(spoke: ArrayLike, widths: ArrayLike | None = None) -> Silence:
    """The trailing silence of each unit, and the longest it came back from.

    A unit that speaks seldom is told from a dead one by its own past
    [Farias2024]: it has been silent before, and came back.

    Args:
        spoke: Shape `(n, units)`; true where the unit spoke. nan counts as speech:
            what was not seen is not silence.
        widths: Shape `(n,)`, how much each row stands for, such as steps; ones if
            left out.

    Returns:
        Lengths in the unit of the widths.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        Three units over five rows: one silent since row 2, one with a finished
        silence of two rows, one that never spoke:

        >>> s = silences([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0]])
        >>> s.rows.tolist(), s.longest.tolist(), s.ever.tolist()
        ([3, 0, 5], [0, 2, 0], [True, True, False])

    References:
        [Farias2024] Self-normalized resets for plasticity in continual learning.
    """
    said = np.asarray(spoke, np.float64)
    if said.ndim != 2:
        raise ValueError(f"spoke has shape {said.shape}, but must be (n, units).")
    width = np.ones(len(said)) if widths is None else np.asarray(widths, np.float64)
    if width.shape != said.shape[:1]:
        raise ValueError(
            f"widths has shape {width.shape}, but spoke has {len(said)} rows: give "
            f"one width for each."
        )
    spoken = said != 0  # nan != 0
    run = np.zeros(said.shape[1])
    longest = np.zeros(said.shape[1])
    for row, w in zip(spoken, width, strict=True):
        longest = np.where(row, np.maximum(longest, run), longest)
        run = np.where(row, 0.0, run + w)
    return Silence(run.astype(np.int64), longest.astype(np.int64), spoken.any(axis=0))


def rate_bound(samples: float, *, confidence: float = 0.95) -> float:
    """The rate that a unit may still have after that many silent samples.

    The exact form of the rule of three, 3/n [Hanley1983].

    Args:
        samples: How many independent samples passed without one event.
        confidence: How sure the bound is to hold.

    Returns:
        An upper bound on the rate, 1 if there was no sample.

    Example:
        >>> round(rate_bound(300), 4)  # 3/300
        0.0099

    References:
        [Hanley1983] If nothing goes wrong, is everything all right?
    """
    if not samples > 0:
        return 1.0
    return float(-np.expm1(np.log1p(-confidence) / samples))
