"""How the signal fares on its way through the layers, forward and backward."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Layer, Quantity, Setup, Trace
from reluctant.records.quantities import (
    PREACT_RMS,
    PREACT_VARIATION,
    SEQUENCE_GRAD_GROWTH,
    SIGNAL_GRAD_RMS,
)
from reluctant.stats import log_median, robust_slope

_WEIGHTED = ("linear", "conv")  # operations that mix units; norms restore the scale


class Profile(NamedTuple):
    """The signal at each weighted layer, in forward order.

    Attributes:
        layers: The layers.
        forward: Shape `(layers,)`: log₁₀ of the pre-activation RMS; nan if unknown.
        dependence: Shape `(layers,)`: share of the mean square that differs between
            samples; nan if unknown.
        backward: Shape `(layers,)`: log₁₀ of the signal's gradient RMS; nan if unknown
            or exactly 0.
    """

    layers: tuple[Layer, ...]
    forward: NDArray[np.float64]
    dependence: NDArray[np.float64]
    backward: NDArray[np.float64]


def weighted(setup: Setup) -> tuple[Layer, ...]:
    """The layers that mix units, once each, in forward order."""
    return tuple(
        x
        for x in setup.layers
        if x.operation.startswith(_WEIGHTED) and "#" not in x.site
    )


def profile(trace: Trace, first: int, last: int) -> Profile:
    """The depth profile, as medians over the sampled steps from `first` to `last`."""
    layers = weighted(trace.setup)

    def values(quantity: Quantity, layer: Layer) -> NDArray[np.float64]:
        steps, read = trace.series(quantity, layer.site)
        return read[(steps >= first) & (steps <= last)]

    return Profile(
        layers,
        np.array([log_median(values(PREACT_RMS, x)) for x in layers]),
        np.array([_median(values(PREACT_VARIATION, x)) for x in layers]),
        np.array([log_median(values(SIGNAL_GRAD_RMS, x)) for x in layers]),
    )


def over_sequence(trace: Trace, early: int = 3, *, sign: int = 1) -> tuple[str, float]:
    """The recurrent weight whose gradient grows most on its way back, and by how much.

    Args:
        trace: The run.
        early: Steps that count as the start: later on, growth is what steps made.
        sign: -1 asks how much it shrinks, where it shrinks most.

    Returns:
        Its layer and the growth in decades, which may be infinite; nan without any.
    """
    site, most = "", math.nan
    for candidate in trace.sites(SEQUENCE_GRAD_GROWTH):
        steps, values = trace.series(SEQUENCE_GRAD_GROWTH, candidate)
        values = values[(steps <= early) & ~np.isnan(values)]
        if values.size and not sign * np.median(values) <= most:
            site, most = candidate, sign * float(np.median(values))
    return site, most


def gains(setup: Setup) -> dict[str, float]:
    """The initial weight scale of each layer, 1 where it keeps the signal's scale.

    Standard deviation × √fan-in, by √2 less behind a rectifier, which halves the
    mean square [He2015]. Layers with an unknown or frozen weight are left out.
    """
    known = {p.name: p for p in setup.parameters}
    found: dict[str, float] = {}
    behind = ""
    for layer in weighted(setup):
        weight = known.get(layer.weight)
        if weight and weight.requires_grad and len(weight.shape) > 1 and weight.std > 0:
            fan_in = math.prod(weight.shape[1:])
            gain = weight.std * math.sqrt(fan_in)
            is_relu = "relu" in behind or behind in ("threshold", "clamp", "gelu")
            found[layer.site] = gain / math.sqrt(2) if is_relu else gain
        behind = layer.activation
    return found


def starved(
    p: Profile, *, slope: float, decades: float, dependence: float
) -> list[str]:
    """Which signs of a signal that does not arrive a profile shows, each as a clause.

    Args:
        p: At the start.
        slope: Decades of mean square that a layer may lose.
        decades: How far signal or gradient (RMS) may fall over the depth.
        dependence: Share of the output's mean square that must depend on the input.
    """
    reasons = []
    falls = 2 * robust_slope(np.arange(len(p.layers)), p.forward)
    fall = 2 * (ends(p.forward)[0] - ends(p.forward)[1])
    if falls < -slope and fall > 2 * decades:
        reasons.append(
            f"its mean square falls by {fall:.1f} decades to the output, "
            f"{-falls:.2f} a layer (limit {slope:g})"
        )
    known = p.dependence[np.isfinite(p.dependence)]
    is_fed = known.size > 1 and known[0] > 1e-8  # else all inputs are alike
    if is_fed and known[-1] < dependence:
        reasons.append(
            f"{known[-1]:.0e} of the output depends on the input (limit {dependence:g})"
        )
    first, last = ends(p.backward)
    if last - first > decades:
        reasons.append(
            f"the gradient falls by {last - first:.1f} decades on its way back "
            f"(limit {decades:g})"
        )
    return reasons


def first_look(trace: Trace) -> int:
    """The first sampled step: an adaptive optimizer redraws small weights in one."""
    sites = trace.sites(PREACT_RMS)
    return min((int(trace.series(PREACT_RMS, s).steps[0]) for s in sites), default=0)


def ends(values: NDArray[np.float64]) -> tuple[float, float]:
    """First and last finite entry; nan if there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite[0]), float(finite[-1])) if finite.size else (np.nan, np.nan)


def _median(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan
