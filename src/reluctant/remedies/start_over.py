"""start-over."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Restart, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class StartOver(Remedy):
    """Draw all parameters anew.

    ## When it helps
    Weights that have exploded, or a layer that is silent as a whole: there is
    nothing left to keep. After the cause is gone it is the measure of every repair:
    MNIST killed by long steps, 94 %.

    ## When it hurts
    What was learned is lost, and a cause that stays does it again.

    ## What it changes
    All parameters, as their modules draw them; the optimizer's state is empty.

    ## References
    - [Dohare2024] Loss of plasticity in deep continual learning.
    """

    treats = ()
    may_treat = ("UNT101", "UNT102", "UNT201", "NUM101", "STP201", "HED101")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Restart."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(Restart(),),
            trust="safe",
            because="what was lost may not be worth repairing",
            patch="model = make_model()  # and a fresh optimizer",
        )
