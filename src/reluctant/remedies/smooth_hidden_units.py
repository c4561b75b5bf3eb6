"""smooth-hidden-units."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SwapActivation, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class SmoothHiddenUnits(Remedy):
    """Put units without a flat half in place of rectifiers.

    ## When it helps
    Units that never fire keep a gradient, and their mean output is nearer to zero.

    ## When it hurts
    Another function class: networks that should build edges out of hinges do worse.
    Three units on |x + jy|: 4 %, with rectifiers 26 to 30 %.

    ## What it changes
    The activation behind the hidden layers.

    ## References
    - [Clevert2016] Fast and accurate deep network learning by exponential linear
      units.
    """

    treats = ()
    may_treat = ("UNT101", "UNT102", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap the rectifiers of hidden layers for ELUs."""
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
            changes=(SwapActivation(sites, "elu"),),
            trust="invasive",
            because="silent units have no gradient",
            patch="x = torch.nn.functional.elu(layer(x))  # was relu",
        )
