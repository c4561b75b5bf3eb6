"""warm-up-learning-rate."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Trace, WarmUp
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class WarmUpLearningRate(Remedy):
    """Let the rate rise over the first steps.

    ## When it helps
    Curvature is largest at the start and falls within the first steps: a rate that
    is too large for them may suit what follows. Adam's second moments are known by
    then, too.

    ## When it hurts
    Where curvature rises in training, as small networks' does, the limit is met
    later and a warm-up only puts it off.

    ## What it changes
    The learning rate of every group, from near 0 in a straight line.

    ## Options
    - `steps`: Until the rate is what it was.

    ## References
    - [Gilmer2021] A loss curvature perspective on training instability in deep
      learning.
    """

    steps: int = 200

    treats = ()
    may_treat = ("STP101", "STP201")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Rise over the first steps."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(WarmUp(self.steps),),
            trust="safe",
            because="the first steps may be the most dangerous",
            patch=(
                "scheduler = lr_scheduler.LinearLR("
                f"optimizer, 1e-3, total_iters={self.steps})"
            ),
        )
