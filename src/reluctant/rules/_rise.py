"""Whether the loss rose for good."""

import math
from typing import NamedTuple

import numpy as np

from reluctant.records import Trace
from reluctant.rules._constant import targets
from reluctant.rules._loss import course, late_step
from reluctant.stats import block_medians


class Rise(NamedTuple):
    """A loss that rose for good.

    Attributes:
        step: The first step above the level that it never came back to.
        best: Lowest level before.
        late: Level at the end; inf if the loss stopped being a number.
        decades_per_step: Growth from the onset to the peak.
        peak_step: Where it was highest.
    """

    step: int
    best: float
    late: float
    decades_per_step: float
    peak_step: int


def rise(trace: Trace, *, factor: float, min_steps: int) -> Rise | None:
    """Whether the loss ended far above where it started, for good.

    A spike that falls back is a catapult, not a rise. A loss that a constant predictor
    would exceed has not diverged, however it moved: the targets may have.

    Args:
        trace: The run.
        factor: How far above the start the late level must lie; ten times that where
            the targets are unknown, for there a loss may rise by design.
        min_steps: How long it must have stayed above, unless it left the numbers.
    """
    run = course(trace)
    if not run.values.size:
        return None
    levels = block_medians(run.values, 50)
    edges = np.array([part[0] for part in np.array_split(run.steps, len(levels))])
    best, start = float(levels.min()), run.start
    best = min(best, start)
    tail = run.values[-3:] if run.broke >= 0 else levels[-max(1, len(levels) // 5) :]
    late = float(tail.max() if run.broke >= 0 else np.median(tail))
    constant = targets(trace, late_step(trace, 0.5)).loss
    needed = factor if math.isfinite(constant) or run.broke >= 0 else 10 * factor
    floor = max(
        abs(start) * (needed - 1), start - best, 5 * run.noise * (run.broke < 0)
    )
    if not late - start > floor or (math.isfinite(constant) and late < 1.2 * constant):
        return None
    above = levels > start + min(run.noise, 0.5 * (late - start))
    below = np.flatnonzero(~above)
    onset = int(below[-1]) + 1 if below.size else 0
    if onset >= len(levels):
        return None
    step = max(int(edges[onset]), int(run.steps[min(1, len(run.steps) - 1)]))
    end = run.broke if run.broke >= 0 else int(run.steps[-1])
    if run.broke < 0 and end - step < max(min_steps, 0.1 * end):
        return None
    peak = int(np.argmax(run.values))
    if run.broke < 0 and late < 0.1 * run.values[peak] and late - start < 10 * floor:
        return None  # still falling back from a spike
    base = max(abs(start), 1e-300)
    span = max(1, int(run.steps[peak]) - step + 1)
    growth = math.log10(max(float(run.values[peak]), base) / base) / span
    late = math.inf if run.broke >= 0 else late
    return Rise(step, best, late, growth, int(run.steps[peak]))
