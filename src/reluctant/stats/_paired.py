"""Two treatments of the same cases: which won, and by how much."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from reluctant.stats._binomial import wilson_interval


@dataclass(frozen=True)
class PairedShares:
    """How often two treatments succeeded, on the same cases.

    Attributes:
        n: Cases.
        first: Share on which the first succeeded.
        second: Share on which the second did.
        difference: Second less first.
        low: Lower end of its interval.
        high: Upper end.
        p: Two-sided p-value of the sign test on the cases that tell them apart.
    """

    n: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p-value: as many wins, or as few, by the toss of a coin.

    Args:
        wins: Pairs that one side won.
        losses: Pairs that it lost; ties count for nothing.

    Raises:
        ValueError: If a count is negative.

    Example:
        >>> sign_test(9, 1)
        0.021484375
        >>> sign_test(0, 0)
        1.0
    """
    if wins < 0 or losses < 0:
        raise ValueError(f"{wins} wins and {losses} losses: counts are 0 or more.")
    n, fewer = wins + losses, min(wins, losses)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**n))


def paired_shares(
    first: Sequence[bool], second: Sequence[bool], *, confidence: float = 0.95
) -> PairedShares:
    """Compare how often two treatments succeed on the same cases.

    The interval of the difference is Newcombe's tenth, which joins the two Wilson
    intervals by the correlation of the pairs: it stays wide where all succeed.

    Args:
        first: Outcome of each case under the first treatment.
        second: Of the same cases, in the same order, under the second.
        confidence: Share of such intervals that hold the true difference.

    Raises:
        ValueError: If there are no cases, or not equally many.

    Example:
        >>> found = paired_shares([False] * 30, [True] * 28 + [False] * 2)
        >>> round(found.difference, 3), round(found.low, 3), round(found.high, 3)
        (0.933, 0.748, 0.982)

    References:
        [Newcombe1998] Improved confidence intervals for the difference between binomial
        proportions based on paired data.
    """
    n = len(first)
    if n == 0 or len(second) != n:
        raise ValueError(
            f"{n} cases and {len(second)}: give one outcome a case for each treatment."
        )
    both = sum(a and b for a, b in zip(first, second, strict=True))
    lost = sum(bool(a) for a in first) - both
    won = sum(bool(b) for b in second) - both
    a, b = (both + lost) / n, (both + won) / n
    low_a, high_a = wilson_interval(both + lost, n, confidence=confidence)
    low_b, high_b = wilson_interval(both + won, n, confidence=confidence)
    phi = _phi(both, lost, won, n - both - lost - won)
    below = (b - low_b) ** 2 - 2 * phi * (b - low_b) * (high_a - a) + (high_a - a) ** 2
    above = (high_b - b) ** 2 - 2 * phi * (high_b - b) * (a - low_a) + (a - low_a) ** 2
    return PairedShares(
        n=n,
        first=a,
        second=b,
        difference=b - a,
        low=max(-1.0, b - a - math.sqrt(max(0.0, below))),
        high=min(1.0, b - a + math.sqrt(max(0.0, above))),
        p=sign_test(won, lost),
    )


def median_interval(
    values: Sequence[float], *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """The median with an interval from order statistics; inf and −inf are values.

    Args:
        values: At least one, none of them nan.
        confidence: At least that share of such intervals holds the true median, where
            there are enough values; else the interval is all of them.

    Raises:
        ValueError: If there are no values.

    Example:
        >>> median_interval([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])
        (3.5, 1.0, 6.0)
    """
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise ValueError("no values: a median needs at least one.")
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(n) / 2
    rank = max(0, math.floor(n / 2 - half)) if n >= 30 else _rank(n, confidence)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return middle, ordered[rank], ordered[n - 1 - rank]


def _rank(n: int, confidence: float) -> int:
    """The largest k whose k-th values from both ends hold the median that surely."""
    tail, rank = 0.0, 0
    for k in range(n // 2):
        tail += math.comb(n, k) / 2**n
        if 2 * tail > 1 - confidence:
            break
        rank = k
    return rank


def _phi(both: int, lost: int, won: int, neither: int) -> float:
    """Correlation of the pairs, with Newcombe's correction where it is positive."""
    a, b, c, d = both, lost, won, neither
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    top: float = a * d - b * c
    if top > 0:
        top = max(top - (a + b + c + d) / 2, 0.0)
    return top / math.sqrt(product)
