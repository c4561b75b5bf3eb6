"""Size of each parameter's gradient, and what of it is no number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from reluctant.probes._base import GradientProbe, Measurement, rms
from reluctant.records.quantities import GRAD_MAX, GRAD_NONFINITE, GRAD_RMS


@dataclass(frozen=True)
class GradScale(GradientProbe):
    """Measures the gradient of each parameter that has one: RMS, largest, not finite.

    Cost: five passes over the gradients; no extra backward pass.
    """

    yields = (GRAD_RMS, GRAD_MAX, GRAD_NONFINITE)

    def read(self, gradients: Mapping[str, Tensor]) -> Iterator[Measurement]:
        """Yield up to three readings for each gradient."""
        for site, gradient in gradients.items():
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            yield Measurement(GRAD_RMS, site, rms(values))
            if values.numel():
                yield Measurement(GRAD_MAX, site, values.abs().amax())
            broken = (~values.isfinite()).float().mean()
            yield Measurement(GRAD_NONFINITE, site, broken)
