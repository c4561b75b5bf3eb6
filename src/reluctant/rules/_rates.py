"""Learning rates over a run."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Trace
from reluctant.records.quantities import LEARNING_RATE


class Rate(NamedTuple):
    """The learning rate of one parameter group.

    Attributes:
        group: Its place in `Setup.groups`.
        steps: Shape `(n,)`: where it was read, which is where it had changed.
        values: Shape `(n,)`, finite.
        base: What the optimizer was made with, before any schedule; nan if unknown.
    """

    group: int
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    base: float

    @property
    def peak(self) -> float:
        """The highest it ever was."""
        return float(self.values.max())

    @property
    def last(self) -> float:
        """What it is at the end."""
        return float(self.values[-1])

    def below(self, level: float) -> int:
        """The step from which on it stays below a level to the end; -1 if never."""
        above = np.flatnonzero(self.values >= level)
        after = int(above[-1]) + 1 if above.size else 0
        return int(self.steps[after]) if after < len(self.steps) else -1


def rates(trace: Trace) -> list[Rate]:
    """The rates of all groups that have one."""
    found = []
    for site in trace.sites(LEARNING_RATE):
        steps, values = trace.series(LEARNING_RATE, site)
        keep = np.isfinite(values)
        number = site.removeprefix("group")
        if keep.any() and number.isdecimal():
            group = int(number)
            base = _base(trace, group)
            found.append(Rate(group, steps[keep], values[keep], base))
    return found


def _base(trace: Trace, group: int) -> float:
    groups = trace.setup.groups
    options = groups[group].options if group < len(groups) else {}
    base = options.get("initial_lr", options.get("lr"))
    return float(base) if isinstance(base, int | float) else float("nan")
