"""raise-learning-rate."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, ScaleLearningRate, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class RaiseLearningRate(Remedy):
    """Take longer steps.

    ## When it helps
    The loss falls, and falls slowly, far below the limit of the step; or noise has
    to carry the weights out of a poor basin.

    ## When it hurts
    Past the limit of the step units die and the loss diverges: try it on copies.

    ## What it changes
    The learning rate of every group, by one factor.

    ## Options
    - `factor`: By how much.

    ## References
    - [Cohen2021] Gradient descent on neural networks typically occurs at the edge
      of stability.
    """

    factor: float = 10.0

    treats = ("STP301",)
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Scale every learning rate up, where one is known."""
        rates = [g.options.get("lr") for g in trace.setup.groups]
        known = [float(r) for r in rates if isinstance(r, float | int) and r > 0]
        if not known:
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(ScaleLearningRate(self.factor),),
            trust="safe",
            because="longer steps may get there, or get out",
            patch=f"lr = {known[0] * self.factor:.2g}  # was {known[0]:g}",
        )
