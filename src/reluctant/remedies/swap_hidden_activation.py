"""swap-hidden-activation."""

from dataclasses import dataclass

from reluctant.records import (
    Finding,
    Prescription,
    Reinitialize,
    SwapActivation,
    Trace,
)
from reluctant.remedies._base import Remedy

_FLAT = ("sigmoid", "tanh", "softsign", "hardsigmoid")  # slope 1 at most, 0 at the ends


@dataclass(frozen=True)
class SwapHiddenActivation(Remedy):
    """Put rectifiers where sigmoids let the gradient die out, with weights that suit.

    ## When it helps
    The gradient shrinks by the slope of every activation that it passes. A rectifier
    that is on has slope 1, and He's weights make up for those that are off.

    ## When it hurts
    Gates, such as those of an LSTM, need their sigmoids. Without the new weights the
    swap trades one problem for another: weights drawn for sigmoids starve rectifiers.

    ## What it changes
    The activation of the bounded hidden layers, and all weights, drawn anew.

    ## References
    - [Hochreiter1991] Untersuchungen zu dynamischen neuronalen Netzen.
    - [He2015] Delving deep into rectifiers.
    """

    treats = ("GRD101", "UNT401")
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap all bounded hidden activations, if there are any."""
        layers = [x for x in trace.setup.layers if not x.is_head]
        flat = tuple(x.site for x in layers if x.activation in _FLAT)
        if not flat:
            return None
        kinds = sorted({x.activation for x in layers if x.site in flat})
        patch = (
            f"x = torch.relu(layer(x))  # was {' or '.join(kinds)}\n"
            f"torch.nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')"
        )
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(SwapActivation(flat, "relu"), Reinitialize((), "he")),
            trust="invasive",
            because=f"{len(flat)} layers of {' and '.join(kinds)} shrink the gradient",
            patch=patch,
        )
