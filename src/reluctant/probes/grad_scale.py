"""Root mean square of each parameter's gradient, and what of it is no number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from reluctant.probes._base import GradientProbe, Measurement, rms
from reluctant.records.quantities import GRAD_NONFINITE, GRAD_RMS


@dataclass(frozen=True)
class GradScale(GradientProbe):
    """Measures `grad_rms` and `grad_nonfinite` at each parameter that has a gradient.

    Cost: four passes over the gradients; no extra backward pass.
    """

    yields = (GRAD_RMS, GRAD_NONFINITE)

    def read(self, gradients: Mapping[str, Tensor]) -> Iterator[Measurement]:
        """Yield two readings for each gradient."""
        for site, gradient in gradients.items():
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            yield Measurement(GRAD_RMS, site, rms(values))
            broken = (~values.isfinite()).float().mean()
            yield Measurement(GRAD_NONFINITE, site, broken)
