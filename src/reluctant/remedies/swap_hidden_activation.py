"""swap-hidden-activation."""

from dataclasses import dataclass

from reluctant.records import (
    Finding,
    Layer,
    Prescription,
    Reinitialize,
    SwapActivation,
    Trace,
)
from reluctant.remedies._base import Remedy

_FLAT = ("sigmoid", "tanh", "softsign", "hardsigmoid")  # slope 1 at most, 0 at the ends


@dataclass(frozen=True)
class SwapHiddenActivation(Remedy):
    """Put rectifiers where the hidden activation loses the signal or blows it up.

    ## When it helps
    The gradient shrinks by the slope of every sigmoid that it passes, and dies out
    where they saturate. It grows by the slope of what is steeper than a line: each
    cube on the way triples all exponents. A rectifier that is on has slope 1, and He's
    weights make up for those that are off.

    ## When it hurts
    Gates, such as those of an LSTM, need their sigmoids. Without the new weights the
    swap trades one problem for another: weights drawn for sigmoids starve rectifiers.

    ## What it changes
    The activation of the bounded hidden layers, and all weights, drawn anew. Where no
    hidden layer has an activation that is known by name, all that stands between two
    layers and works on each number alone, such as a power or a scaled sine.

    ## References
    - [Hochreiter1991] Untersuchungen zu dynamischen neuronalen Netzen.
    - [He2015] Delving deep into rectifiers.
    """

    treats = ("GRD101", "UNT401")
    may_treat = ("GRD102", "UNT501", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap all bounded hidden activations, or else all that have no name."""
        hidden = [x for x in trace.setup.layers if not x.is_head]
        flat = [x for x in hidden if x.activation in _FLAT]
        if flat:
            return self._prescription(finding, flat)
        # a record cannot tell an activation without a name from none at all: to be
        # tried, but nothing to tell a reader
        is_named = any(x.activation for x in hidden)
        if not hidden or is_named or finding.code in self.treats:
            return None
        return self._prescription(finding, [])

    def _prescription(self, finding: Finding, flat: list[Layer]) -> Prescription:
        kinds = sorted({x.activation for x in flat})
        was = " or ".join(kinds) or "an activation of its own"
        because = (
            f"{len(flat)} layers of {' and '.join(kinds)} shrink the gradient"
            if flat
            else "no usual activation was seen behind any hidden layer"
        )
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(
                SwapActivation(tuple(x.site for x in flat), "relu"),
                Reinitialize((), "he"),
            ),
            trust="invasive",
            because=because,
            patch=(
                f"x = torch.relu(layer(x))  # was {was}\n"
                f"torch.nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')"
            ),
        )
