"""How near the next step is to going uphill, measured over many batches."""

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from reluctant.lab._recipe import Training
from reluctant.probes.step_gauge import step_terms
from reluctant.records import UsageError


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """The step gauge G = E[uᵀHu] / E[gᵀu] of a training at one moment.

    Attributes:
        value: G. Below 2 the average step lowers the loss of its own batch. nan where
            there was nothing to gain.
        interval: Of G, at the level asked for; nan where it cannot be told.
        gain: E[gᵀu], in units of the loss.
        curvature: E[uᵀHu], in units of the loss.
        batches: How many were measured.
        learning_rate: Of the optimizer's first group; nan if it has none.
        step: Optimizer steps taken before the measurement.
    """

    value: float
    interval: tuple[float, float]
    gain: float
    curvature: float
    batches: int
    learning_rate: float
    step: int = 0


def gauge(
    training: Training,
    *,
    batches: int = 256,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Gauge:
    """Measure the step gauge on the next batches, at the weights as they are.

    Works on a fork: the training goes on afterwards as if nothing had been measured.
    No step is taken between the batches, so momentum and moments are those of now.

    Args:
        training: Anything that can be forked; minibatches of 1 are as good as any.
        batches: How many to average over. At minibatch 1 both terms have heavy tails:
            expect an interval of ±10 % from 256.
        level: Of the interval.
        resamples: Of the bootstrap over batches.
        seed: Of the bootstrap.

    Returns:
        The ratio of the two means, with a percentile bootstrap interval: batches are
        drawn anew with replacement, both terms of a batch together.

    Raises:
        UsageError: If there are no batches, or the training cannot be forked.
        Unmeasurable: If the loss cannot be differentiated twice, or the next update of
            the optimizer is unknown.

    References:
        [Andreyev2024] Edge of stochastic stability.
        [Efron1979] The bootstrap.
    """
    if batches < 1:
        raise UsageError(f"batches is {batches}, but the gauge needs at least 1.")
    copy = training.fork()
    terms = np.empty((batches, 2))
    with copy.own_randomness():
        for row in terms:
            measured = step_terms(
                copy.loss(copy.next_batch()),
                copy.model.parameters(),
                copy.optimizer,
                buffers=copy.model.buffers(),
            )
            row[:] = measured.gain, measured.curvature
    gain, curvature = terms.mean(axis=0)
    lr = copy.optimizer.param_groups[0].get("lr", math.nan)
    return Gauge(
        value=float(curvature / gain) if gain else math.nan,
        interval=ratio_interval(
            terms[:, 1], terms[:, 0], level=level, resamples=resamples, seed=seed
        ),
        gain=float(gain),
        curvature=float(curvature),
        batches=batches,
        learning_rate=float(lr),
        step=training.steps,
    )


def ratio_interval(
    over: ArrayLike,
    under: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(over) / mean(under), paired by position.

    Args:
        over: Shape `(n,)`.
        under: Shape `(n,)`.
        level: Share of resamples inside.
        resamples: How many.
        seed: Equal seeds give equal intervals.

    Returns:
        Lower and upper end; nan for one batch alone, or where a value is not finite.

    Example:
        >>> ratio_interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])  # one ratio throughout
        (2.0, 2.0)
    """
    pairs = np.stack([np.asarray(over, float), np.asarray(under, float)], axis=1)
    if len(pairs) < 2 or not np.isfinite(pairs).all():
        return math.nan, math.nan
    draws = np.random.default_rng(seed).integers(
        len(pairs), size=(resamples, len(pairs))
    )
    means = pairs[draws].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = means[:, 0] / means[:, 1]
    if np.isnan(ratios).all():
        return math.nan, math.nan
    ends = np.nanquantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return float(ends[0]), float(ends[1])
