"""The course of a held-out loss, as a script's own evaluations show it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Trace
from reluctant.records.quantities import HELD_OUT_LOSS, LOSS

_FEWEST = 4  # evaluations that make a course


class Held(NamedTuple):
    """One evaluation, again and again.

    Attributes:
        site: Where in the script.
        steps: Shape `(n,)`: the training step that followed.
        values: Shape `(n,)`, finite.
        best: Lowest value.
        best_step: When.
        late: Median of the last quarter.
        noise: Spread between one evaluation and the next, robust.
    """

    site: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    best: float
    best_step: int
    late: float
    noise: float


def held_out(trace: Trace) -> Held | None:
    """The evaluation that ends highest against its own best; None without one.

    Where a script evaluates on its training data too, that is another place in it, and
    a lower course.
    """
    found = []
    for site in trace.sites(HELD_OUT_LOSS):
        steps, values = trace.series(HELD_OUT_LOSS, site)
        keep = np.isfinite(values)
        steps, values = steps[keep], values[keep]
        if len(values) < _FEWEST:
            continue
        at = int(values.argmin())
        late = float(np.median(values[-max(1, len(values) // 4) :]))
        jumps = np.abs(np.diff(values, n=2)) / np.sqrt(6)  # a trend is no noise
        found.append(
            Held(
                site,
                steps,
                values,
                float(values[at]),
                int(steps[at]),
                late,
                float(np.median(jumps)),
            )
        )
    return max(found, key=lambda h: h.late - h.best) if found else None


def trained(trace: Trace, step: int) -> float:
    """The training loss around a step: mean over a tenth of the run; nan if unseen."""
    steps, values = trace.series(LOSS)
    near = np.abs(steps - step) <= max(5, trace.last_step // 20)
    near &= np.isfinite(values)
    return float(values[near].mean()) if near.any() else float("nan")
