"""Units of a bounded activation that no longer answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from reluctant.probes._base import (
    ActivationProbe,
    LayerPass,
    Measurement,
    over_all_but,
)
from reluctant.records.quantities import SATURATED

# |z| beyond which the slope is under 1 % of its largest:
# sigmoid: s(1−s) < 0.0025 at 5.98; tanh: 1−tanh² < 0.01 at 2.99; hard ones: the edge
_EDGES = {"sigmoid": 5.98, "tanh": 2.99, "hardsigmoid": 3.0, "hardtanh": 1.0}


@dataclass(frozen=True)
class Saturation(ActivationProbe):
    """Measures `saturated` of each unit before a sigmoid or tanh.

    Cost: two passes over the pre-activation.
    """

    edges: dict[str, float] = field(default_factory=_EDGES.copy)

    yields = (SATURATED,)

    def read(self, layer: LayerPass) -> Iterator[Measurement]:
        """Yield one entry for each unit."""
        edge = self.edges.get(layer.activation)
        z = layer.preactivation
        if edge is None or not z.numel():
            return
        axes = over_all_but(layer.unit_axis, z.ndim)
        beyond = (z.abs() > edge).float()
        yield Measurement(SATURATED, layer.site, beyond.mean(axes) if axes else beyond)
