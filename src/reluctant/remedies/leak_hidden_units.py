"""leak-hidden-units."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SwapActivation, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class LeakHiddenUnits(Remedy):
    """Give silent units a small slope.

    ## When it helps
    Narrow networks, or inputs far from zero, where many units would start silent:
    with a slope they still have a gradient. A prevention.

    ## When it hurts
    It restores a gradient, it does not undo weights that a long step has thrown
    away (48 to 50 % accuracy where reviving gave 93 %), and has no effect on signs
    that are frozen.

    ## What it changes
    The activation behind the hidden layers; later it may go back to a plain
    rectifier.

    ## Options
    - `slope`: Below the hinge.

    ## References
    - [Maas2013] Rectifier nonlinearities improve neural network acoustic models.
    """

    slope: float = 0.2

    treats = ()
    may_treat = ("UNT101", "UNT102", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap the rectifiers of hidden layers."""
        sites = tuple(
            x.site
            for x in trace.setup.layers
            if x.activation == "relu" and not x.is_head
        )
        if not sites:
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(SwapActivation(sites, "leaky_relu", self.slope),),
            trust="invasive",
            because="silent units have no gradient",
            patch=f"x = F.leaky_relu(layer(x), {self.slope:g})  # was relu",
        )
