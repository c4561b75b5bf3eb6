"""revive-dead-outputs."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, ReviveOutputs, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ReviveDeadOutputs(Remedy):
    """Let dead outputs start over at their mean target; the others stay.

    ## When it helps
    Outputs behind a rectifier have died while the rest of the network has learned: what
    the hidden units know is kept, and the outputs read it anew.

    ## When it hurts
    At the step that killed them they die again: lower it as well. Where targets are
    never above zero a rectifier has no business on the output.

    ## What it changes
    Weights of the dead outputs become 0, their biases the mean of their targets; the
    optimizer's moments of these are reset.

    ## References
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    """

    treats = ()
    may_treat = ("UNT201", "HED101", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Revive all that are dead when it is applied, behind a rectifier."""
        loss = trace.setup.loss
        heads = [x for x in trace.setup.layers if x.is_head]
        is_rectified = any(x.activation == "relu" for x in heads)
        if not is_rectified and (loss is None or loss.head != "relu"):
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(ReviveOutputs(),),
            trust="safe",
            because="outputs behind a rectifier may be silent",
            patch=(
                "output.weight.data[dead] = 0\n"
                "output.bias.data[dead] = y_train.mean(0)[dead]"
            ),
        )
