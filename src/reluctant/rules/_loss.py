"""What became of the loss: the consequence that a finding has to show.

Shared by the rules; a measurement that looks odd while the loss falls is no problem.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Quantity, Trace
from reluctant.records.quantities import (
    BATCH_SAMPLES,
    LOSS,
    OUTPUT_MEAN,
    OUTPUT_SQUARE,
    TARGET_COUNT,
    TARGET_MEAN,
    TARGET_SQUARE,
)
from reluctant.stats import block_medians

_SAMPLES_TO_START = 64  # samples that the level at the start is taken over
_ENOUGH = 200  # samples of the targets that a constant predictor is fitted to
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


class Targets(NamedTuple):
    """What the best constant predictor makes of the targets.

    Attributes:
        loss: Its loss, in the units of `LOSS`; nan where it cannot be said.
        variance: Variance of the targets, mean over outputs; nan likewise.
        error: Relative standard error of both.
    """

    loss: float
    variance: float
    error: float


_UNKNOWN = Targets(math.nan, math.nan, math.nan)


def targets(trace: Trace, since: int = 0) -> Targets:
    """The best constant predictor's loss on the targets seen since a step."""
    loss = trace.setup.loss
    if loss is None:
        return _UNKNOWN
    counts = _rows(trace, TARGET_COUNT, since)
    means, squares = (
        _rows(trace, TARGET_MEAN, since),
        _rows(trace, TARGET_SQUARE, since),
    )
    samples, positions = _samples(trace), 1.0
    if loss.kind in ("cross-entropy", "nll") and counts.size and counts.sum() > 0:
        positions = float(counts.sum()) / len(counts) / max(1.0, samples)
        n = float(counts.sum())
        p = counts.sum(0) / n
        live = p[p > 0]
        level, variance = (
            float(-(live * np.log(live)).sum()),
            float((p * (1 - p)).mean()),
        )
        spread = float((live * np.log(live) ** 2).sum()) - level**2
        error = math.sqrt(max(spread, 0.0) / n) / level if level else math.nan
        width = 1
    elif loss.kind in ("mse", "bce", "bce-with-logits") and means.size:
        n, width = len(means) * samples, means.shape[1]
        mean = means.mean(0)
        variance = float(np.maximum(squares.mean(0) - mean**2, 0).mean())
        level, error = variance, math.sqrt(2 / max(n, 1.0))
        if loss.kind != "mse":
            if not ((mean >= 0) & (mean <= 1)).all():
                return _UNKNOWN
            p = np.clip(mean, 1e-12, 1 - 1e-12)
            level = float(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean())
    else:
        return _UNKNOWN
    if loss.reduction == "sum":
        level *= samples * max(1.0, positions) * width
    elif loss.reduction != "mean":
        level = math.nan
    factor = _factor(trace, samples) if loss.kind == "mse" else math.nan
    if not math.isfinite(factor):
        factor = _backwards(trace)
    return Targets(level * factor, variance, error)


class Skill(NamedTuple):
    """How much of the constant predictor's loss the network has done away with.

    Attributes:
        value: 1 − late loss / constant predictor's loss. Where that is unknown, 1 −
            late loss / loss at the start. nan without either.
        error: Standard error of the value.
        constant: The loss it is measured against.
        is_exact: Whether `constant` is the best constant predictor's.
    """

    value: float
    error: float
    constant: float
    is_exact: bool

    def is_none(self, limit: float) -> bool:
        """Whether nothing was learnt, as far as the noise lets one say."""
        return self.value <= limit + min(2 * self.error, 0.3)


def skill(trace: Trace) -> Skill:
    """How much better than the best constant predictor the late network is."""
    run = course(trace)
    known = targets(trace, late_step(trace, 0.5))
    is_exact = math.isfinite(known.loss) and known.loss > 0
    constant = known.loss if is_exact else abs(run.start)
    if not constant > 0 or not math.isfinite(run.late):
        return Skill(math.nan, math.nan, constant, is_exact)
    gone = constant - run.late if is_exact else run.start - run.late
    own = run.late_error / constant
    error = math.hypot(own, known.error) if is_exact else own
    return Skill(gone / constant, error, constant, is_exact)


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


def _rows(trace: Trace, quantity: Quantity, since: int) -> NDArray[np.float64]:
    """Finite rows of a per-output quantity since a step; all, if that leaves few."""
    steps, values = trace.units(quantity, "")
    late = values[steps >= since]
    enough = len(late) * max(1, trace.setup.batch_size) >= _ENOUGH
    rows = late if enough else values
    return rows[np.isfinite(rows).all(axis=1)] if rows.size else np.zeros((0, 0))


def _factor(trace: Trace, samples: float) -> float:
    """What the squared error is multiplied by, such as ½; nan if it cannot be told.

    Outputs and targets are known by their first two moments. That leaves the squared
    error between two bounds, which meet where outputs are alike or the batch is 1.
    """
    loss = trace.setup.loss
    at, values = trace.series(LOSS)
    known = dict(zip(at.tolist(), values.tolist(), strict=True))
    moments = [
        trace.units(q, "")
        for q in (OUTPUT_MEAN, OUTPUT_SQUARE, TARGET_MEAN, TARGET_SQUARE)
    ]
    if loss is None or len({m.values.shape for m in moments}) > 1:
        return math.nan
    ratios = []
    for i, step in enumerate(moments[0].steps.tolist()):
        if step not in known or any(m.steps[i] != step for m in moments):
            continue
        mean, square, want, want_square = (m.values[i] for m in moments)
        if not np.isfinite([mean, square, want, want_square]).all():
            continue
        with np.errstate(all="ignore"):
            apart = np.sqrt(np.maximum(square - mean**2, 0))
        wanted = np.sqrt(np.maximum(want_square - want**2, 0))
        with np.errstate(over="ignore"):
            offset = (mean - want) ** 2
            low = float(((apart - wanted) ** 2 + offset).sum())
            high = float(((apart + wanted) ** 2 + offset).sum())
        if 0 < high <= 1.3 * low < math.inf:
            unit = samples if loss.reduction == "sum" else 1 / len(mean)
            ratios.append(known[step] / (unit * math.sqrt(low * high)))
    factor = float(np.median(ratios)) if len(ratios) >= 2 else math.nan
    return 1.0 if abs(factor - 1) < 0.15 else factor


def _samples(trace: Trace) -> float:
    """Samples of one batch."""
    return float(max(1, trace.setup.batch_size))


def _backwards(trace: Trace) -> float:
    """How many batches one step adds up (gradient accumulation)."""
    seen = trace.series(BATCH_SAMPLES).values
    seen = seen[np.isfinite(seen) & (seen > 0)]
    if not seen.size or not trace.setup.batch_size:
        return 1.0
    return max(1.0, float(np.round(np.median(seen) / trace.setup.batch_size)))
