"""shrink-outgoing-weights."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, ScaleOutgoing, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ShrinkOutgoingWeights(Remedy):
    """Start with a small output layer.

    ## When it helps
    As zero outgoing weights do, and where exact zeros would keep a layer from
    learning at all in the first step. Three units on |x + jy|: 98 %.

    ## When it hurts
    As zero outgoing weights can.

    ## What it changes
    The weights of the output layer, by one factor; not its bias.

    ## Options
    - `factor`: What is left of the weights.

    ## References
    - [Du2018] Algorithmic regularization in learning deep homogeneous models:
      layers are automatically balanced.
    """

    factor: float = 0.1

    treats = ()
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Shrink what reads the last hidden layer."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(ScaleOutgoing((), self.factor),),
            trust="safe",
            because="signs that are frozen by large outgoing weights come free",
            patch=f"model[-1].weight.data *= {self.factor:g}  # the output layer",
        )
