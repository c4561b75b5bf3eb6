"""How large a learning rate a training survives, told from smaller ones."""

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from reluctant.lab._recipe import Recipe, Training, build
from reluctant.records import UsageError

Terms = NDArray[np.float64]

EDGE = 2.0  # at G = 2 the average step gains nothing on its own batch
TARGETS = (0.6, 1.0, 1.4)  # gauges to probe at: far enough below to be safe
USABLE = (0.4, 1.8)  # below, curvature has not risen yet; above, the edge is too near
PLAUSIBLE = (0.3, 1.0)  # of the exponent: 1 if the net finds no flatter ground at all
TRIES = 12
BLOCKS = 10  # of consecutive steps, drawn together: neighbors resemble each other
REACHED = 0.4  # of the edge, by some probe: from less, the law is a guess
LAW = 0.15  # of the log of the limit: how far the law itself was off, measured


class StepSizeLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gauge, extrapolated, reaches the edge.

    Attributes:
        value: Predicted limit of the learning rate; nan where too few probes were good.
        interval: Of 95 %: bootstrap over what was measured, widened by how far the law
            itself was off on the trainings of `docs/step_size_limit.md`.
        rates: Learning rates that were probed and used, rising.
        gauges: The gauge at each.
        exponent: G ~ rate^exponent; below 1 because larger steps find flatter ground.
        reason: Why there is no value; empty if there is one.
        steps: Training steps spent, over all probes.
    """

    value: float
    interval: tuple[float, float]
    rates: tuple[float, ...]
    gauges: tuple[float, ...]
    exponent: float
    reason: str = ""
    steps: int = 0


def step_size_limit(
    training: Recipe | Training,
    *,
    steps: int = 2000,
    measured: int = 200,
    seeds: int = 2,
    seed: int = 0,
    edge: float = EDGE,
    progress: Callable[[str], None] = lambda line: None,
) -> StepSizeLimit:
    """Predict the largest learning rate that this training survives.

    Trains afresh at a few lower learning rates, found on the way, and measures the
    gauge in the second half of each. Where a probe has converged its gradient is
    rounding noise; there the gauge is told from the top eigenvalue of the Hessian.
    Plain networks are trained by the fused engine where Numba is installed.

    Args:
        training: A recipe, or a training, which is probed on copies from where it
            stands and stays as it is. With any optimizer whose next update can be
            found. All its learning rates are scaled together; the rates reported are
            the first group's.
        steps: In each probe: until curvature has risen to where it stays. A quarter of
            the training that is meant is a good choice, up to 15,000.
        measured: Of those, how many are measured.
        seeds: Of a recipe, whose gauges are averaged.
        seed: The first of them.
        edge: The gauge at the limit.
        progress: Given a line after each probe.

    Raises:
        UsageError: If the recipe gives no Training, its learning rate is not positive,
            or a number is too small.
        Unmeasurable: If the gauge cannot be measured on it.
    """
    for name, number, least in (
        ("steps", steps, 2),
        ("measured", measured, 1),
        ("seeds", seeds, 1),
    ):
        if number < least:
            raise UsageError(f"{name} is {number}, but must be at least {least}.")
    from reluctant.lab import _step_size_probes as probes  # which need this module

    if isinstance(training, Training):
        given = training
        recipe: Recipe = lambda seed: given.fork()  # noqa: E731
        seeds = 1
    else:
        recipe = training
    first = build(recipe, seed)
    start = float(first.optimizer.param_groups[0].get("lr", math.nan))
    if not start > 0:
        raise UsageError(f"the recipe's learning rate is {start}; it must be positive.")
    make = probes.fused if probes.can_be_fused(first) else probes.in_torch
    each = [make(recipe, s, steps, measured) for s in range(seed, seed + seeds)]
    return find_limit(
        each[0],
        start=start,
        again=each[1:],
        steps=steps,
        edge=edge,
        seed=seed,
        progress=progress,
    )


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
