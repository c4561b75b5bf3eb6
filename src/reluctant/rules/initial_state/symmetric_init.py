"""INI301 symmetric-init."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Parameter, Severity, Trace
from reluctant.records.quantities import FIRING_RATE, LOSS
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class SymmetricInit(Rule):
    """All units of a layer start alike, and so stay alike.

    ## Why it stops training
    Units with the same incoming and the same outgoing weights get the same gradient at
    every step. They remain copies of one unit for ever: a layer of a hundred can do
    what one can. With all weights zero not even that: nothing passes in either
    direction.

    ## How it is measured
    The distance of a layer's rows from their mean and of the next layer's columns from
    theirs, before the first step. Both zero make the units copies. A layer of zeros
    with an activation behind it puts out the same for every input, whatever follows.
    Random weights on either side break the symmetry, so a last layer of zeros alone is
    no finding.

    ## Sick
    ```python
    for layer in model[::2]: layer.weight.data[:] = 0.05
    ```

    ## Healthy
    ```python
    for layer in model[::2]: layer.weight.data[:] += 0.0
    ```

    ## Blind spots
    Units that are alike only in groups; recurrent layers. Dropout breaks the symmetry,
    slowly.

    ## Options
    - `apart`: Relative distance from which on rows or columns count as different.

    ## References
    - [Goodfellow2016] Deep Learning, section 8.4: initial parameters must break the
      symmetry between units.
    """

    apart: float = 1e-6

    code = "INI301"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers whose units are copies."""
        setup = trace.setup
        if not setup.layers:
            raise Blind("the layers were never seen to run")
        known = {p.name: p for p in setup.parameters}
        chain = [
            (layer, known[layer.weight])
            for layer in setup.layers
            if layer.weight in known
            and len(known[layer.weight].shape) > 1
            and "#" not in layer.site  # one weight that runs again
        ]
        hit = []
        for i, (layer, weight) in enumerate(chain):
            if layer.is_head or not layer.activation:
                continue  # nothing bends behind it: a residual branch may begin at zero
            if weight.shape[0] < 2 or i + 1 == len(chain):
                continue
            below = chain[i + 1][1]
            is_alike = self._is_near(weight.rows_apart, weight)
            goes_alike = self._is_near(below.columns_apart, below)
            firing = trace.units(FIRING_RATE, layer.site).values[:1]
            is_silent = firing.size > 0 and not (firing > 0).any()
            is_zero = weight.rms == 0 and is_silent
            if is_alike and (goes_alike or is_zero):
                hit.append((layer, weight))
        if not hit:
            return
        layer, weight = hit[0]
        others = f"; so are those of {len(hit) - 1} more layers" if len(hit) > 1 else ""
        what = "zero" if weight.rms == 0 else "the same"
        yield self.finding(
            f"all {weight.shape[0]} units of {layer.site} start with weights that are "
            f"{what} (distance from their mean {weight.rows_apart or 0:.1g}, limit "
            f"{self.apart:g} of the RMS {weight.rms:.2g}), and remain copies of one "
            f"unit{others}",
            evidence=tuple(
                Evidence(
                    quantity="rows_apart",
                    site=layer.site,
                    step=0,
                    value=weight.rows_apart or 0.0,
                    limit=self.apart * weight.rms,
                    note=f"shape {weight.shape}",
                )
                for layer, weight in hit
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )

    def _is_near(self, apart: float | None, weight: Parameter) -> bool:
        return apart is not None and apart <= self.apart * weight.rms
