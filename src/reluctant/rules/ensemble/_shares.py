"""Shares of success, read off a map."""

from collections.abc import Iterator
from typing import NamedTuple

from reluctant.records import MapCell, MapSlice, SuccessMap
from reluctant.stats import wilson_interval

# an error of the recipe's and a lack of time say nothing about learning
_NO_VERDICT = ("raised", "hung")


class Share(NamedTuple):
    """How many of those that came to an end did well, at one learning rate."""

    rate: float
    good: int
    n: int
    failures: dict[str, int]

    @property
    def value(self) -> float:
        """The share itself."""
        return self.good / self.n

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Wilson interval of the probability."""
        return wilson_interval(self.good, self.n, confidence=confidence)


def shares(part: MapSlice) -> list[Share]:
    """One for each rate that says something.

    What was still on its way counts as good: it lacks steps, and no luck.
    """
    return [share for cell in part.cells if (share := _share(cell)).n]


def best(part: MapSlice) -> Share | None:
    """The rate at which most succeed, of equals the one with most trainings."""
    return max(shares(part), key=lambda s: (s.value, s.n), default=None)


def has_trained(part: MapSlice) -> bool:
    """Whether anything succeeded: else nothing says that this can be learnt."""
    return any(cell.successes for cell in part.cells)


def parts(found: SuccessMap) -> Iterator[tuple[str, MapSlice]]:
    """Each setting that was trained, with its name."""
    for part in found.slices:
        if part.runs:
            named = (f"{name}={value}" for name, value in part.setting.items())
            yield ", ".join(named), part


def _share(cell: MapCell) -> Share:
    lost = {k: n for k, n in cell.failures.items() if k not in (*_NO_VERDICT, "slow")}
    good = cell.successes + cell.failures.get("slow", 0)
    return Share(cell.rate, good, good + sum(lost.values()), lost)
