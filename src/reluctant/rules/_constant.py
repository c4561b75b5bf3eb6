"""What the best constant predictor would get, and how much better the network is.

One thought over 150 lines: the constant's loss depends on the kind of loss, its
reduction, its factor and the targets, and each of them has to be found out.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Quantity, Trace
from reluctant.records.quantities import (
    CONSTANT_ERROR,
    CONSTANT_LOSS,
    LOSS,
    LOSS_PART,
    OUTPUT_MEAN,
    OUTPUT_SQUARE,
    STEP_LOSSES,
    TARGET_COUNT,
    TARGET_MEAN,
    TARGET_SQUARE,
)
from reluctant.rules._loss import course, late_step

_LATE_PARTS = 8  # samples of what part of a sum the known term is
_LATE_LOOKS = 5  # whose median a smaller last batch does not move
_REST = 0.1  # other terms up to this share, such as a penalty, change little
_ENOUGH = 200  # samples of the targets that a constant predictor is fitted to


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
    part = trace.series(LOSS_PART).values
    if part.size and not abs(float(np.median(part[-_LATE_PARTS:])) - 1) < _REST:
        return _UNKNOWN
    known = _of_the_term(trace, since)
    loss = trace.setup.loss
    if loss is None or not math.isfinite(known.variance):
        return _UNKNOWN
    factor = _factor(trace, _samples(trace)) if loss.kind == "mse" else math.nan
    if not math.isfinite(factor):
        factor = _backwards(trace)
    return known._replace(loss=known.loss * factor)


def _of_the_term(trace: Trace, since: int) -> Targets:
    """The same of the term that was recognized, as torch computes it: no factor."""
    loss = trace.setup.loss
    if loss is None:
        return _UNKNOWN
    counts = _rows(trace, TARGET_COUNT, since)
    means, squares = (
        _rows(trace, TARGET_MEAN, since),
        _rows(trace, TARGET_SQUARE, since),
    )
    if loss.kind in ("l1", "huber"):
        return _straight(trace, means, squares)
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
    return Targets(level, variance, error)


def _straight(
    trace: Trace, means: NDArray[np.float64], squares: NDArray[np.float64]
) -> Targets:
    """The same of an absolute error: its constant was fitted while it was watched."""
    levels = trace.series(CONSTANT_LOSS).values
    if not (means.size and levels.size and np.isfinite(levels[-1])):
        return _UNKNOWN
    variance = float(np.maximum(squares.mean(0) - means.mean(0) ** 2, 0).mean())
    # of the last looks: each knows the targets of those before
    level = float(np.median(levels[-_LATE_LOOKS:]))
    error = float(np.median(trace.series(CONSTANT_ERROR).values[-_LATE_LOOKS:]))
    return Targets(level, variance, error)


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


class Term(NamedTuple):
    """The term that compares outputs with targets, in a loss of several.

    Attributes:
        skill: As of a loss of that term alone; nan where its best constant is unknown.
        variance: Of the targets, mean over outputs.
        since: The step from which on both were taken.
    """

    skill: Skill
    variance: float
    since: int


def term(trace: Trace) -> Term:
    """How much better than a constant that term is late in the run.

    Late is the second half, or what the last three readings span if they begin in the
    second quarter: those of a long run lie far apart.
    """
    steps, shares = trace.series(LOSS_PART)
    half, quarter = late_step(trace, 0.5), late_step(trace, 0.75)
    since = min(half, max(quarter, int(steps[-3]))) if len(steps) >= 3 else half
    known = _of_the_term(trace, since)
    losses = dict(zip(*(a.tolist() for a in trace.series(LOSS)), strict=True))
    values = [
        share * losses[step]
        for step, share in zip(steps.tolist(), shares.tolist(), strict=True)
        if step >= since and math.isfinite(share) and step in losses
    ]
    if len(values) < 3 or not known.loss > 0 or not math.isfinite(known.loss):
        unknown = Skill(math.nan, math.nan, known.loss, is_exact=False)
        return Term(unknown, known.variance, since)
    value = 1 - float(np.mean(values)) / known.loss
    own = float(np.std(values)) / math.sqrt(len(values)) / known.loss
    learnt = Skill(value, math.hypot(own, known.error), known.loss, is_exact=True)
    return Term(learnt, known.variance, since)


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
    losses = trace.series(STEP_LOSSES).values
    return max(1.0, float(np.median(losses))) if losses.size else 1.0
