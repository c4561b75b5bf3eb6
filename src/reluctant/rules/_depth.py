"""How the signal fares on its way through the layers, forward and backward."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Layer, Quantity, Setup, Trace
from reluctant.records.quantities import (
    PREACT_RMS,
    PREACT_VARIATION,
    SIGNAL_GRAD_RMS,
)
from reluctant.stats import log_median

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


def ends(values: NDArray[np.float64]) -> tuple[float, float]:
    """First and last finite entry; nan if there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite[0]), float(finite[-1])) if finite.size else (np.nan, np.nan)


def _median(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan
