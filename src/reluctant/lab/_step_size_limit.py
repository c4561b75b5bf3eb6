"""How large a learning rate a training survives, told from smaller ones."""

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from reluctant.lab._recipe import Recipe, build
from reluctant.probes.step_gauge import step_terms
from reluctant.records import UsageError

Terms = NDArray[np.float64]

EDGE = 2.0  # at G = 2 the average step gains nothing on its own batch
TARGETS = (0.6, 1.0, 1.4)  # gauges to probe at: far enough below to be safe
USABLE = (0.2, 1.8)  # outside, a probe says little about the way to the edge
PLAUSIBLE = (0.3, 1.0)  # of the exponent: 1 if the net finds no flatter ground at all
TRIES = 12


class StepSizeLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gauge, extrapolated, reaches the edge.

    Attributes:
        value: Predicted limit of the learning rate; nan where too few probes were good.
        interval: Bootstrap over what was measured; says nothing of the law's own error.
        rates: Learning rates that were probed and used, rising.
        gauges: The gauge at each.
        exponent: G ~ rate^exponent; below 1 because larger steps find flatter ground.
        reason: Why there is no value; empty if there is one.
    """

    value: float
    interval: tuple[float, float]
    rates: tuple[float, ...]
    gauges: tuple[float, ...]
    exponent: float
    reason: str = ""


def step_size_limit(
    recipe: Recipe,
    *,
    steps: int = 2000,
    measured: int = 200,
    seed: int = 0,
    edge: float = EDGE,
    progress: Callable[[str], None] = lambda line: None,
) -> StepSizeLimit:
    """Predict the largest learning rate that this training survives.

    Trains the recipe afresh at a few lower learning rates, found on the way, and
    measures the gauge in the second half of each.

    Args:
        recipe: With any optimizer whose next update can be found. All its learning
            rates are scaled together; the rates reported are the first group's.
        steps: In each probe: until curvature has risen to where it stays.
        measured: Of those, how many are measured.
        seed: Of the recipe.
        edge: The gauge at the limit.
        progress: Given a line after each probe.

    Raises:
        UsageError: If the recipe gives no Training, or its learning rate is not
            positive.
        Unmeasurable: If the gauge cannot be measured on it.
    """
    start = float(build(recipe, seed).optimizer.param_groups[0].get("lr", math.nan))
    if not start > 0:
        raise UsageError(f"the recipe's learning rate is {start}; it must be positive.")

    def probe(rate: float) -> Terms:
        training = build(recipe, seed)
        for group in training.optimizer.param_groups:
            group["lr"] = group["lr"] * (rate / start)
        rows: list[tuple[float, float]] = []

        def look(loss: Tensor) -> None:
            terms = step_terms(
                loss,
                training.model.parameters(),
                training.optimizer,
                buffers=training.model.buffers(),
            )
            rows.append((terms.gain, terms.curvature))

        training.step(steps - steps // 2)
        each = max(1, (steps // 2) // measured)
        for _ in range(min(measured, steps // 2)):
            training.step(1, look=look)
            training.step(each - 1)
        return np.array(rows).reshape(-1, 2)

    return find_limit(probe, start=start, edge=edge, seed=seed, progress=progress)


def find_limit(
    probe: Callable[[float], Terms],
    *,
    start: float,
    edge: float = EDGE,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> StepSizeLimit:
    """Probe learning rates below the limit, and extrapolate to it.

    Args:
        probe: Trains at a rate; gives gᵀu and uᵀHu of some steps, shape `(n, 2)`.
        start: Where to begin. A rate that turns out too large is divided by four.
        edge: The gauge at the limit.
        seed: Of the bootstrap.
        progress: Given a line after each probe.
    """
    good: dict[float, Terms] = {}
    rate, wanted = start, list(TARGETS)
    for _ in range(TRIES):
        terms = probe(rate)
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
    return extrapolate(good, edge=edge, seed=seed)


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
        resamples: Of the bootstrap over steps.
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
    random = np.random.default_rng(seed)
    again = [
        _solve(rates, [_ratio(_resample(probes[r], random)) for r in rates], edge)[0]
        for _ in range(resamples)
    ]
    low, high = np.nanquantile(again, [0.025, 0.975])
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
    rows: Terms = terms[random.integers(len(terms), size=len(terms))]
    return rows
