"""Scale of the signal, layer by layer, and how much of it depends on the input."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.probes._base import LayerPass, LayerProbe, Measurement, rms, widest
from reluctant.records.quantities import PREACT_RMS, PREACT_VARIATION


@dataclass(frozen=True)
class PreactScale(LayerProbe):
    """Measures `preact_rms` and `preact_variation` at each layer.

    A deep net can keep its scale through its biases while its output no longer depends
    on its input; the variation between samples tells the two apart. It is nan where
    the batch holds one sample.

    Cost: three passes over the layer's output.
    """

    yields = (PREACT_RMS, PREACT_VARIATION)

    def read(self, layer: LayerPass) -> Iterator[Measurement]:
        """Yield the scale and the input dependence of one layer."""
        z = layer.preactivation
        yield Measurement(PREACT_RMS, layer.site, rms(z))
        if z.ndim < 2 or z.shape[0] < 2:
            yield Measurement(
                PREACT_VARIATION, layer.site, z.new_full((), float("nan")).float()
            )
            return
        z = widest(z)
        variance = z.var(dim=0, unbiased=False).mean()
        yield Measurement(PREACT_VARIATION, layer.site, variance / z.square().mean())
