"""leak-head."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SwapActivation, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class LeakHead(Remedy):
    """Give silent outputs a small slope.

    ## When it helps
    Outputs behind a rectifier die and are needed: with a slope they have a gradient
    on both sides.

    ## When it hurts
    Outputs become negative where targets cannot be; a linear head does the same
    more plainly.

    ## What it changes
    The activation of the layers that the loss reads.

    ## Options
    - `slope`: Below the hinge.

    ## References
    - [Maas2013] Rectifier nonlinearities improve neural network acoustic models.
    """

    slope: float = 0.2

    treats = ()
    may_treat = ("UNT201",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap the rectifier of the head."""
        if not finding.sites:
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(SwapActivation(finding.sites, "leaky_relu", self.slope),),
            trust="invasive",
            because="silent outputs have no gradient",
            patch=f"return F.leaky_relu(output(x), {self.slope:g})  # was relu",
        )
