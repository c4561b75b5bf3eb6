"""The learning rate at which the step gauge, extrapolated, reaches the edge."""

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from reluctant.lab._step_size_limit import StepSizeLimit

Terms = NDArray[np.float64]

EDGE = 2.0  # at G = 2 the average step gains nothing on its own batch
TARGETS = (0.6, 1.0, 1.4)  # gauges to probe at: far enough below to be safe
USABLE = (0.4, 1.8)  # below, curvature has not risen yet; above, the edge is too near
PLAUSIBLE = (0.3, 1.0)  # of the exponent: 1 if the net finds no flatter ground at all
TRIES = 12
BLOCKS = 10  # of consecutive steps, drawn together: neighbors resemble each other
REACHED = 0.4  # of the edge, by some probe: from less, the law is a guess
LAW = 0.15  # of the log of the limit: how far the law itself was off, measured


def find_limit(
    probe: Callable[[float], Terms],
    *,
    start: float,
    again: Sequence[Callable[[float], Terms]] = (),
    steps: int = 0,
    edge: float = EDGE,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> StepSizeLimit:
    """Probe learning rates below the limit, and extrapolate to it.

    Args:
        probe: Trains at a rate; gives gᵀu and uᵀHu of some steps, shape `(n, 2)`.
        start: Where to begin. A rate that turns out too large is divided by four.
        again: The same from other seeds, asked only at the rates that proved good.
        steps: That a probe takes.
        edge: The gauge at the limit.
        seed: Of the bootstrap.
        progress: Given a line after each probe.
    """
    good: dict[float, Terms] = {}
    rate, wanted = start, list(TARGETS)
    probes = 0
    while probes < TRIES:
        terms = probe(rate)
        probes += 1
        value = _ratio(terms)
        progress(f"gauge {value:.2f} at learning rate {rate:.3g}")
        if not value <= USABLE[1]:  # also nan: nothing left to gain, or not finite
            rate /= 4
            continue
        if value >= USABLE[0]:
            good[rate] = terms
            wanted = [t for t in wanted if abs(t - value) > 0.15]
        if not wanted:
            break
        nearest = min(good or {rate: terms}, key=lambda r: abs(r - rate))
        base = value if nearest == rate else _ratio(good[nearest])
        target = wanted.pop(0) if base > 0.05 else wanted[0]
        factor = (target / base) ** (1 / 0.85) if base > 0 else 10.0
        rate = nearest * min(10.0, factor)
    for other in again if len(good) > 1 else ():
        for at in good:
            terms = other(at)
            probes += 1
            progress(f"gauge {_ratio(terms):.2f} at learning rate {at:.3g}, next seed")
            if _ratio(terms) > 0:
                good[at] = np.concatenate([good[at], terms])
    found = extrapolate(good, edge=edge, seed=seed)
    return msgspec.structs.replace(found, steps=probes * steps)


def extrapolate(
    probes: dict[float, Terms],
    *,
    edge: float = EDGE,
    resamples: int = 500,
    seed: int = 0,
) -> StepSizeLimit:
    """Fit log G against log rate by least squares, and solve for the edge.

    Args:
        probes: Learning rate to gᵀu and uᵀHu of some steps, shape `(n, 2)`.
        edge: The gauge at the limit.
        resamples: Of the bootstrap over blocks of steps.
        seed: Of the bootstrap.

    Example:
        >>> law = lambda rate: np.array([[1.0, 6 * rate**0.5]] * 5)
        >>> limit = extrapolate({rate: law(rate) for rate in (0.01, 0.02, 0.04)})
        >>> round(limit.value, 4), round(limit.exponent, 4)  # 6·√rate = 2
        (0.1111, 0.5)
    """
    rates = tuple(sorted(probes))
    gauges = tuple(_ratio(probes[rate]) for rate in rates)
    if len(rates) < 2:
        reason = f"{len(rates)} of at least 2 probes gave a usable gauge"
        return StepSizeLimit(
            method="gauge",
            value=math.nan,
            interval=(math.nan, math.nan),
            rates=rates,
            gauges=gauges,
            exponent=math.nan,
            reason=reason,
        )
    value, exponent = _solve(rates, gauges, edge)
    if max(gauges) < REACHED * edge:
        reason = (
            f"the gauge reached {max(gauges):.2g} at learning rate {rates[-1]:.3g} and "
            f"was not seen nearer to {edge:g}: too far to extrapolate"
        )
        return StepSizeLimit(
            method="gauge",
            value=math.nan,
            interval=(math.nan, math.nan),
            rates=rates,
            gauges=gauges,
            exponent=exponent,
            reason=reason,
        )
    random = np.random.default_rng(seed)
    again = [
        _solve(rates, [_ratio(_resample(probes[r], random)) for r in rates], edge)[0]
        for _ in range(resamples)
    ]
    spread = math.hypot(float(np.nanstd(np.log(again))), LAW)
    low, high = value * np.exp([-1.96 * spread, 1.96 * spread])
    return StepSizeLimit(
        method="gauge",
        value=value,
        interval=(float(low), float(high)),
        rates=rates,
        gauges=gauges,
        exponent=exponent,
    )


def _solve(
    rates: tuple[float, ...], gauges: tuple[float, ...] | list[float], edge: float
) -> tuple[float, float]:
    x, y = np.log(rates), np.log(gauges)
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    slope = min(max(slope, PLAUSIBLE[0]), PLAUSIBLE[1])
    return float(np.exp(x.mean() + (math.log(edge) - y.mean()) / slope)), slope


def _ratio(terms: Terms) -> float:
    if not len(terms):
        return math.nan
    gain, curvature = terms.sum(axis=0)
    return float(curvature / gain) if gain > 0 else math.nan


def _resample(terms: Terms, random: np.random.Generator) -> Terms:
    blocks = np.array_split(terms, max(1, min(BLOCKS, len(terms))))
    drawn = random.integers(len(blocks), size=len(blocks))
    return np.concatenate([blocks[i] for i in drawn])
