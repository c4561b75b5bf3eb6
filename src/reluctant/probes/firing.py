"""How often each unit fires, and how close it came."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.probes._base import (
    ActivationProbe,
    LayerPass,
    Measurement,
    over_all_but,
)
from reluctant.records.quantities import FIRING_RATE, PREACT_MAX

RECTIFIERS = ("relu", "relu6", "leaky_relu", "prelu", "threshold", "clamp", "elu")


@dataclass(frozen=True)
class Firing(ActivationProbe):
    """Measures `firing_rate` and `preact_max` of each unit before a rectifier.

    Counted are positions at which the pre-activation is positive, not the share of
    zeros of the layer: a sparse layer in which every unit fires sometimes is healthy.

    Cost: two passes over the pre-activation.
    """

    yields = (FIRING_RATE, PREACT_MAX)

    def read(self, layer: LayerPass) -> Iterator[Measurement]:
        """Yield one entry for each unit."""
        z = layer.preactivation
        if layer.activation not in RECTIFIERS or not z.numel():
            return
        axes = over_all_but(layer.unit_axis, z.ndim)
        fires = (z > 0).float()
        yield Measurement(FIRING_RATE, layer.site, fires.mean(axes) if axes else fires)
        yield Measurement(PREACT_MAX, layer.site, z.amax(axes) if axes else z)
