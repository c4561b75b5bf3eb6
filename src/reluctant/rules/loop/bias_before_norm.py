"""LOP502 bias-before-norm."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Layer, Severity, Trace
from reluctant.records.quantities import GRAD_RMS, LOSS
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class BiasBeforeNorm(Rule):
    """Layers have a bias that the batch norm behind them takes away again.

    ## Why it stops training
    It does not: it is waste. Batch norm subtracts the mean of each channel, and with it
    whatever constant the layer before has added. The bias has no effect on the output
    and a gradient of rounding errors; the norm's own shift does its work.

    ## How it is measured
    A layer with a bias and without an activation, whose next layer is a batch norm over
    as many channels; and the gradient that the bias got, against that of the weight of
    the same layer: rounding leaves a millionth.

    ## Sick
    ```python
    model = nn.Sequential(nn.Linear(32, 32, bias=True), nn.BatchNorm1d(32), *mlp()[1:])
    ```

    ## Healthy
    ```python
    model = nn.Sequential(nn.Linear(32, 32, bias=False), nn.BatchNorm1d(32), *mlp()[1:])
    ```

    ## Blind spots
    Norms over the features of one sample keep most of a bias and are not meant. Biases
    that weight decay moves still count, for they do nothing either.

    ## Options
    - `ratio`: Gradient of the bias over that of the weight, root mean squares.

    ## References
    - [Ioffe2015] Batch normalization, section 3.2: the bias can be ignored.
    """

    ratio: float = 1e-3

    code = "LOP502"
    severity = Severity.NOTE
    since = "0.1.0"
    needs = (LOSS, GRAD_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one note with all layers whose bias is taken away."""
        layers = trace.setup.layers
        if not layers:
            raise Blind("the layers were never seen to run")
        found = {
            layer: ratio
            for layer, behind in pairwise(layers)
            if behind.operation == "batch_norm"
            and layer.bias
            and layer.operation != "batch_norm"
            and not layer.activation
            and layer.units == behind.units
            and (ratio := _heard(trace, layer)) <= self.ratio
        }
        if not found:
            return
        first = next(iter(found))
        others = f" and {len(found) - 1} more layers" if len(found) > 1 else ""
        yield self.finding(
            f"the bias of {first.site}{others} is taken away again by the batch norm "
            f"behind it: its gradient is {found[first]:.0e} of its weight's (limit "
            f"{self.ratio:g}): harmless, and waste",
            evidence=tuple(
                Evidence(
                    quantity=GRAD_RMS.name,
                    site=layer.site,
                    step=trace.last_step,
                    value=ratio,
                    limit=self.ratio,
                    note="bias over weight",
                )
                for layer, ratio in found.items()
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )


def _heard(trace: Trace, layer: Layer) -> float:
    """The gradient of the bias over that of the weight; inf where unknown."""
    bias, weight = (
        trace.series(GRAD_RMS, name).values for name in (layer.bias, layer.weight)
    )
    if not bias.size or bias.shape != weight.shape:
        return np.inf
    keep = np.isfinite(bias) & np.isfinite(weight) & (weight > 0)
    return float(np.median(bias[keep] / weight[keep])) if keep.any() else np.inf
