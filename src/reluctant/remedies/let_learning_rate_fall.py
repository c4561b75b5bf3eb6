"""let-learning-rate-fall."""

from dataclasses import dataclass

from reluctant.records import DecayLearningRate, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class LetLearningRateFall(Remedy):
    """Begin with the rate as it is, and let it fall to the end.

    ## When it helps
    The noise of minibatches keeps a constant rate from settling; a rate that falls
    settles. Late in training curvature has risen to the limit of the rate, and a
    lower rate stays below it.

    ## When it hurts
    A rate that is too large from the start kills units long before it has fallen.

    ## What it changes
    The learning rate of every group, by half a cosine from 1 to a hundredth.

    ## References
    - [Loshchilov2017] SGDR: stochastic gradient descent with warm restarts.
    """

    treats = ("STP601",)
    may_treat = ("STP101", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Decay over all steps that are left."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(DecayLearningRate(),),
            trust="safe",
            because="a constant rate does not settle",
            patch="scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)",
        )
