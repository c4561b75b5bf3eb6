"""How far one step moved each parameter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from reluctant.probes._base import Measurement, UpdateProbe, rms
from reluctant.records.quantities import UPDATE_RATIO, UPDATE_RMS, WEIGHT_RMS


@dataclass(frozen=True)
class UpdateSize(UpdateProbe):
    """Measures `update_rms`, `weight_rms` and their ratio at each parameter.

    The ratio is inf for a parameter that was 0 and moved, and nan for one that was 0
    and did not.

    Cost: six passes over the parameters, and a copy of them during a sampled step.
    """

    yields = (UPDATE_RMS, WEIGHT_RMS, UPDATE_RATIO)

    def read(
        self, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
    ) -> Iterator[Measurement]:
        """Yield three readings for each parameter."""
        for site, old in before.items():
            new = after.get(site)
            if new is None or new.shape != old.shape:
                continue
            update, weight = rms(new - old), rms(old)
            yield Measurement(UPDATE_RMS, site, update)
            yield Measurement(WEIGHT_RMS, site, weight)
            yield Measurement(UPDATE_RATIO, site, update / weight)
