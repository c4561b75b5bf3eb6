"""UNT301 merged-units."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Layer, Severity, Trace
from reluctant.records.quantities import COPIED_UNITS, LOSS
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class MergedUnits(Rule):
    """Several units of a layer are copies of one another, and remain so.

    ## Why it stops training
    Units whose incoming weights are equal up to a positive scale fire together on every
    input. Where their outgoing weights are alike too, their gradients are, and nothing
    ever parts them: the layer is as wide as it has different units.

    ## How it is measured
    The cosine of each pair of rows of the weight matrix, bias included, at the first
    and the last sampled step. Copies are rows that point the same way to one part in
    10⁹, at both. Rows that training has brought close together are no copies.

    ## Sick
    ```python
    w, a = model[2].weight.data, model[4].weight.data
    w[16:], a[:, 16:] = w[:16], a[:, :16]
    ```

    ## Healthy
    ```python
    w, a = model[2].weight.data, model[4].weight.data
    w[16:], a[:, 16:] = -w[:16], a[:, :16]
    ```

    ## Blind spots
    Layers of more than 1,024 units, transposed convolutions, and units that depend on
    each other in threes. Rows of zeros are INI301.

    ## Options
    - `share`: Share of a layer's units that are copies, from which on it is a finding.
    - `min_samples`: How many steps must have been sampled.

    ## References
    - [Fukumizu2000] Local minima and plateaus in hierarchical structures of multilayer
      perceptrons.
    """

    share: float = 0.1
    min_samples: int = 2

    code = "UNT301"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers that hold copies."""
        if not trace.setup.layers:
            raise Blind("the layers were never seen to run")
        hit: list[tuple[float, int, int, str]] = []
        for layer in trace.setup.layers:
            values = trace.series(COPIED_UNITS, layer.site).values
            values = values[np.isfinite(values)]
            if layer.is_head or not layer.units or not values.size:
                continue
            if _inputs(trace, layer) < 2:
                continue  # of one input all units are alike, up to a scale
            if len(values) < self.min_samples:
                raise Blind(
                    f"{len(values)} steps were sampled, {self.min_samples} needed"
                )
            copies = int(min(values[0], values[-1]))
            if 0 < copies < layer.units and copies >= self.share * layer.units:
                hit.append((copies / layer.units, copies, layer.units, layer.site))
        if not hit:
            return
        hit.sort(reverse=True)
        share, copies, units, site = hit[0]
        others = f"; copies also in {len(hit) - 1} more layers" if len(hit) > 1 else ""
        yield self.finding(
            f"{copies} of {units} units of {site} ({share:.0%}, limit "
            f"{self.share:.0%}) "
            f"are copies of others, and the gradients have kept them so from the first "
            f"step to the last: its effective width is {units - copies}{others}",
            evidence=tuple(
                Evidence(
                    quantity=COPIED_UNITS.name,
                    site=where,
                    step=trace.last_step,
                    value=part,
                    limit=self.share,
                    note=f"effective width {width - count} of {width}",
                )
                for part, count, width, where in hit
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )


def _inputs(trace: Trace, layer: Layer) -> int:
    """Numbers that tell units of a layer apart: incoming weights, and a bias."""
    shapes = {p.name: p.shape for p in trace.setup.parameters}
    shape = shapes.get(layer.weight)
    if not shape:
        return 2  # unknown
    return prod(shape) // max(1, layer.units) + int(layer.bias in shapes)
