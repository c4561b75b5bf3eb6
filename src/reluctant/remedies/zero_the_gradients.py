"""zero-the-gradients."""

from dataclasses import dataclass

from reluctant.records import EditSource, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ZeroTheGradients(Remedy):
    """Clear the gradients before each backward pass.

    ## When it helps
    `backward` was found to add to gradients that a step had already applied.

    ## When it hurts
    Where several batches are added up on purpose, the line belongs behind the step and
    not before every `backward`.

    ## What it changes
    One line of the loop, which only its author can change.

    ## References
    - [PyTorchZeroGrad] torch.optim.Optimizer.zero_grad.
    """

    treats = ("LOP101",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Add the missing line."""
        after = "optimizer.zero_grad()\nloss.backward()"
        share = finding.evidence[0].value if finding.evidence else 1.0
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(
                EditSource(
                    "loss.backward()", after, "the training loop, at every step"
                ),
            ),
            trust="advice",
            because=f"{share:.0%} of the sampled steps began on old gradients",
            patch=after,
        )
