"""The step gauge when harm set in."""

from collections.abc import Sequence
from math import inf, isfinite, isnan, nan
from typing import NamedTuple

import numpy as np

from reluctant.records import Trace
from reluctant.records.quantities import STEP_CURVATURE, STEP_GAIN
from reluctant.rules._base import Blind
from reluctant.rules._harm import Harm
from reluctant.stats import Ratio, ratio_of_means


class GaugeAtHarm(NamedTuple):
    """The largest gauge up to a harm.

    Attributes:
        gauge: E[uᵀHu] / E[gᵀu] over a window of samples.
        harm: What it led to.
        first: First step of the window.
        last: Last step of the window.
    """

    gauge: Ratio
    harm: Harm
    first: int
    last: int


def pairs(trace: Trace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, gᵀu and uᵀHu, where both are finite."""
    gain, curvature = trace.series(STEP_GAIN), trace.series(STEP_CURVATURE)
    steps, i, j = np.intersect1d(gain.steps, curvature.steps, return_indices=True)
    a, b = gain.values[i], curvature.values[j]
    keep = np.isfinite(a) & np.isfinite(b)
    return steps[keep], a[keep], b[keep]


def first_gauges(trace: Trace) -> tuple[float, float]:
    """The least and the largest of the first three samples; nan where none was taken.

    The least is the gauge before anything has exploded, or after all has died.
    """
    _, gain, curvature = pairs(trace)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.abs(curvature[:3]) / np.abs(gain[:3])
    ratios = ratios[np.isfinite(ratios)]
    if not ratios.size:
        return float("nan"), float("nan")
    return float(ratios.min()), float(ratios.max())


def mean_gauge(gain: np.ndarray, curvature: np.ndarray) -> Ratio:
    """E[uᵀHu] / E[gᵀu]; infinite where the steps go uphill by their first term alone.

    With momentum a step may go on against the gradient: then no curvature is needed to
    raise the loss, and there is no ratio. It takes a mean clearly below 0 for that.
    """
    ratio = ratio_of_means(curvature, gain)
    if isfinite(ratio.value) or len(gain) < 3:
        return ratio
    error = float(gain.std()) / len(gain) ** 0.5
    if gain.mean() < -error and curvature.mean() > 0:
        return Ratio(inf, nan, len(gain))
    return ratio


def gauge_at(
    trace: Trace, found: Sequence[Harm], windows: Sequence[int] = (12, 6, 3)
) -> GaugeAtHarm:
    """The largest gauge over the last samples before any of some harms.

    Args:
        trace: The run.
        found: Its harms.
        windows: How many samples to take, each of them tried.

    Raises:
        Blind: If the gauge was not sampled by then.
    """
    steps, gain, curvature = pairs(trace)
    if not len(steps):
        raise Blind("no sample of the gauge is finite")
    best: GaugeAtHarm | None = None
    for harm in found:
        upto = np.flatnonzero(steps <= max(harm.step, harm.until))
        if not upto.size:
            continue
        for window in windows:
            last = upto[-window:]
            gauge = mean_gauge(gain[last], curvature[last])
            if isnan(gauge.value):
                continue
            if best is None or gauge.value > 1.05 * best.gauge.value:
                best = GaugeAtHarm(
                    gauge, harm, int(steps[last[0]]), int(steps[last[-1]])
                )
    if best is None:
        raise Blind("no sample of the gauge was taken up to the harm")
    return best
