"""drop-less."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, ScaleDropout, Trace
from reluctant.remedies._base import Remedy
from reluctant.remedies._doses import dosed


@dataclass(frozen=True)
class DropLess(Remedy):
    """Lower the share of units that dropout drops.

    ## When it helps
    The network cannot even fit what it is trained on: then it needs no noise against
    learning by heart. Above a half, and on inputs, little of the signal is left.

    ## When it hurts
    Where it fits the training data well and new data badly.

    ## What it changes
    The share of every dropout layer.

    ## Options
    - `factor`: What the shares are multiplied by.

    ## References
    - [Srivastava2014] Dropout: a simple way to prevent neural networks from
      overfitting.
    """

    factor: float = 0.2

    treats = ("LOP503",)
    may_treat = ("FIT101", "HED101", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Scale all of them, where there is any."""
        if not any("Dropout" in module.type for module in trace.setup.modules):
            return None
        because = "noise may hide what is to be learnt"
        change = ScaleDropout(self.factor)
        return dosed(self.name(), finding.code, change, because, trace)
