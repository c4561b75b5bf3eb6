"""match-loss-to-targets."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SwapActivation, SwapLoss, Trace
from reluctant.records.quantities import TARGET_COUNT
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class MatchLossToTargets(Remedy):
    """Measure classes by cross-entropy.

    ## When it helps
    Targets are classes and the error is squared: where the network is sure and
    wrong, the gradient vanishes with its slope.

    ## When it hurts
    Where outputs must be calibrated as numbers and not as classes. A head that
    squashes must come off with it.

    ## What it changes
    The loss, and the activation behind the last layer, which becomes linear.

    ## References
    - [Golik2013] Cross-entropy vs. squared error training.
    """

    treats = ()
    may_treat = ("HED101", "UNT201")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap a squared error, where targets are classes."""
        loss = trace.setup.loss
        if loss is None or loss.kind != "mse" or not trace.has(TARGET_COUNT):
            return None
        heads = tuple(x.site for x in trace.setup.layers if x.is_head and x.activation)
        linear = (SwapActivation(heads, "linear"),) if heads else ()
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(*linear, SwapLoss("cross-entropy")),
            trust="invasive",
            because="targets are classes, and the error is squared",
            patch="loss = torch.nn.functional.cross_entropy(output(x), labels)",
        )
