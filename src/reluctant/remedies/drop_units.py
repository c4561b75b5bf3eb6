"""drop-units."""

from dataclasses import dataclass

from reluctant.records import AddDropout, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class DropUnits(Remedy):
    """Silence a tenth of the units at random in training.

    ## When it helps
    It is a guard against overfitting: units that cannot lean on each other learn
    features of their own.

    ## When it hurts
    Small networks: with three units one of ten steps trains without the third. It
    was proposed against networks that get stuck and does not free them.

    ## What it changes
    What reads the hidden units gets a share of them, in training mode only.

    ## Options
    - `share`: Of the units that are silent in a step.

    ## References
    - [Srivastava2014] Dropout: a simple way to prevent neural networks from
      overfitting.
    """

    share: float = 0.1

    treats = ()
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Drop units of all hidden layers."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(AddDropout((), self.share),),
            trust="invasive",
            because="units may lean on each other",
            patch=f"x = torch.nn.Dropout({self.share:g})(x)  # behind hidden layers",
        )
