"""clip-gradients."""

from dataclasses import dataclass

from reluctant.records import ClipGradNorm, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ClipGradients(Remedy):
    """Cap the length of the gradient at what is usual for it.

    ## When it helps
    Rare batches give gradients far above the usual, as in recurrent networks: their
    direction is kept, their length is not.

    ## When it hurts
    It bounds the step, not the damage: with a rate that is too large the loss stays
    finite and high. Adam is free of scale already, and there a constant clip
    changes nothing. One infinite gradient turns all of them into nan or 0.

    ## What it changes
    The norm of all gradients together, before each step; the limit is the median
    norm over a few batches.

    ## References
    - [Pascanu2013] On the difficulty of training recurrent neural networks.
    """

    treats = ("GRD102",)
    may_treat = ("STP201", "STP501", "NUM101", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Clip at the usual norm."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(ClipGradNorm(0.0),),
            trust="safe",
            because="some gradients are far above the usual",
            patch="torch.nn.utils.clip_grad_norm_(model.parameters(), usual_norm)",
        )
