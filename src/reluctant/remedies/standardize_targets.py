"""standardize-targets."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, StandardizeTarget, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class StandardizeTargets(Remedy):
    """Let the network learn targets of mean 0 and deviation 1.

    ## When it helps
    Targets in the thousands make losses in the millions and gradients as large;
    targets of a thousandth make none.

    ## When it hurts
    The loss of the training is in other units then. Targets with a meaning at zero,
    such as counts, may want a logarithm instead.

    ## What it changes
    What the last layer puts out is scaled back behind it; under a squared error
    plain descent gets a rate divided by the variance, so that it steps as on
    standardized targets. After training the scaling can be folded into the last
    layer.

    ## References
    - [LeCun1998] Efficient backprop.
    """

    treats = ("DAT103",)
    may_treat = ("STP101", "STP201", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Measure on the data, scale behind the last layer; for regression alone."""
        loss = trace.setup.loss
        if loss is None or loss.kind not in ("mse", "l1", "huber"):
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(StandardizeTarget(),),
            trust="safe",
            because="the scale of the targets sets that of the gradients",
            patch="y = (y - y_train.mean(0)) / y_train.std(0)  # and back afterwards",
        )
