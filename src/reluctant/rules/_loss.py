"""What became of the loss: the consequence that a finding has to show.

Shared by the rules; a measurement that looks odd while the loss falls is no problem.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Trace
from reluctant.records.quantities import LOSS

_SAMPLES_TO_START = 64  # samples that the level at the start is taken over
_LATE = 0.25  # share of the run that counts as late


class Course(NamedTuple):
    """The course of the loss, up to where it stopped being a number for good.

    Attributes:
        steps: Shape `(n,)`, of the finite losses.
        values: Shape `(n,)`, finite.
        start: Level before training had much effect; nan without a loss.
        noise: Spread of the loss around its level, robust.
        late: Mean over the last quarter.
        late_error: Standard error of `late`.
        broke: First step from which no loss was finite again; -1 if there is none.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    start: float
    noise: float
    late: float
    late_error: float
    broke: int


def course(trace: Trace) -> Course:
    """Read the course of the loss."""
    steps, values = trace.series(LOSS)
    finite = np.flatnonzero(np.isfinite(values))
    end = int(finite[-1]) + 1 if finite.size else 0
    broke = int(steps[end]) if end < len(steps) else -1
    steps, values = steps[finite], values[finite]
    if not values.size:
        nan = math.nan
        return Course(steps, values, nan, nan, nan, nan, broke)
    window = math.ceil(_SAMPLES_TO_START / max(1, trace.setup.batch_size))
    window = max(1, min(window, len(values) // 4))
    late = values[-max(1, int(len(values) * _LATE)) :]
    error = float(late.std() / math.sqrt(late.size))
    jumps = np.abs(np.diff(values))
    noise = float(np.median(jumps)) if jumps.size else 0.0
    return Course(
        steps,
        values,
        float(np.median(values[:window])),
        noise,
        float(late.mean()),
        error,
        broke,
    )


def sound(trace: Trace) -> Trace:
    """The part of a trace in which the loss was still a number.

    What is measured behind that says only that nan spreads.
    """
    broke = course(trace).broke
    return trace if broke < 0 else trace.until(broke - 1)


def late_step(trace: Trace, share: float = _LATE) -> int:
    """The step at which the last part of the run begins."""
    return int(trace.last_step * (1 - share))


class Stretches(NamedTuple):
    """The last part of the losses of a run, and as many right before it.

    Attributes:
        before: Mean loss of the earlier part.
        last: Mean loss of the last part.
        error: Standard error of their difference.
        size: Losses in each.
    """

    before: float
    last: float
    error: float
    size: int


def stretches(run: Course, parts: int) -> Stretches:
    """Compare the last of so many equal parts with the one before it.

    Args:
        run: At least `parts` losses.
        parts: At least 2.
    """
    size = len(run.values) // parts
    before, last = run.values[-2 * size : -size], run.values[-size:]
    error = float(np.hypot(before.std(), last.std()) / np.sqrt(size))
    return Stretches(float(before.mean()), float(last.mean()), error, size)


def last_fifth(trace: Trace) -> float:
    """Share of the whole fall of the loss that came in the last fifth of the run.

    0.2 of a fall at one pace, 0 of one that is over or of a run of under 50 losses.
    """
    run = course(trace)
    if len(run.values) < 50:
        return 0.0
    end = stretches(run, 5)
    whole = run.start - end.last
    return (end.before - end.last) / whole if whole > 0 else 0.0
