"""Which trainings a map asks for next: many where success is open, few where it is not.

Seeds are always used in order, the first few or all, so that a rate's share of
successes is not bent by who was chosen. A rate at which the first few agree is left;
the gap between two rates that do not agree is halved; where no gap is left, the rates
that are mixed, and those beside them, get all seeds.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

PILOT = 4  # seeds that look first
COARSE = 5  # rates that are looked at first

Verdicts = dict[int, dict[int, bool]]  # rate index -> seed index -> succeeded


def wanted(
    verdicts: Verdicts, rates: int, seeds: int, *, full: bool
) -> list[tuple[int, int]]:
    """Cells to train next, as (rate index, seed index); none when all is known.

    Args:
        verdicts: What is known so far.
        rates: How many there are.
        seeds: How many there are.
        full: Whether every cell is wanted.
    """
    if full:
        return _missing(verdicts, range(rates), seeds)
    pilot = min(PILOT, seeds)
    coarse = sorted({round(i * (rates - 1) / (COARSE - 1)) for i in range(COARSE)})
    ask = _missing(verdicts, coarse, pilot)
    if ask:
        return ask
    known = sorted(i for i in verdicts if verdicts[i])
    pairs = list(pairwise(known))
    middle = [
        (low + high) // 2
        for low, high in pairs
        if high - low > 1 and not _agree(verdicts[low], verdicts[high])
    ]
    if middle:
        return _missing(verdicts, middle, pilot)
    edge = {i for pair in pairs if not _agree(*map(verdicts.get, pair)) for i in pair}
    edge |= {i for i in known if _share(verdicts[i]) not in (0.0, 1.0)}
    return _missing(verdicts, sorted(edge), seeds)


def still_open(verdicts: Verdicts, rates: int, seeds: int, *, full: bool) -> int:
    """About how many trainings are still to come, those asked for next included."""
    if full:
        return rates * seeds - sum(map(len, verdicts.values()))
    known = sorted(i for i in verdicts if verdicts[i])
    if not known:
        return min(rates, COARSE) * min(PILOT, seeds) + 3 * seeds
    ends = [
        i
        for low, high in pairwise(known)
        if not _agree(verdicts[low], verdicts[high])
        for i in (low, high)
    ]
    if not ends:
        return len(wanted(verdicts, rates, seeds, full=False))
    zone = range(min(ends), max(ends) + 1)
    expected = min(len(zone), 2 + len(zone) // 2) * seeds
    there = sum(len(verdicts.get(i, {})) for i in zone)
    return max(expected - there, len(wanted(verdicts, rates, seeds, full=False)))


def _missing(
    verdicts: Verdicts, rates: Iterable[int], seeds: int
) -> list[tuple[int, int]]:
    return [
        (rate, seed)
        for rate in rates
        for seed in range(seeds)
        if seed not in verdicts.get(rate, {})
    ]


def _share(verdicts: dict[int, bool]) -> float:
    return sum(verdicts.values()) / len(verdicts)


def _agree(one: dict[int, bool] | None, two: dict[int, bool] | None) -> bool:
    """Whether all trainings at two rates ended alike."""
    assert one is not None and two is not None
    shares: Sequence[float] = (_share(one), _share(two))
    return shares in ((0.0, 0.0), (1.0, 1.0))
