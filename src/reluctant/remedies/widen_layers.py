"""widen-layers."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Trace, Widen
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class WidenLayers(Remedy):
    """Add units.

    ## When it helps
    The smallest network that could do it mostly does not find it: one or two units
    more remove most bad minima. |x + jy| with 3, 4, 5, 6, 8 units: 30, 61, 83, 93,
    99 %.

    ## When it hurts
    Cost and size. Where the width is given, train wide and prune.

    ## What it changes
    New units beside the old ones, with outgoing weights of zero: the function
    stays.

    ## Options
    - `factor`: Units after over units before.

    ## References
    - [Safran2018] Spurious local minima are common in two-layer ReLU neural
      networks.
    - [Chen2016] Net2Net: accelerating learning via knowledge transfer.
    """

    factor: float = 2.0

    treats = ()
    may_treat = ("UNT101", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Widen all hidden layers."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(Widen((), self.factor),),
            trust="invasive",
            because="a few more units remove most bad minima",
            patch=f"hidden = {self.factor:g} * hidden",
        )
