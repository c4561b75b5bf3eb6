"""standardize-inputs."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, StandardizeInput, Trace
from reluctant.records.quantities import INPUT_TAIL
from reluctant.remedies._base import Remedy, measured


@dataclass(frozen=True)
class StandardizeInputs(Remedy):
    """Feed inputs of mean 0 and deviation 1.

    ## When it helps
    Inputs far from zero, or of unlike scales: curvature grows with the square of
    what is fed, units that never see both sides of their hinge are dead or linear
    from the start. MNIST as bytes has 3,000 times the curvature of MNIST
    standardized.

    ## When it hurts
    Sparse inputs are no longer sparse. Constant features must not be divided by
    zero.

    ## What it changes
    What the first layer reads; after training the scaling can be folded into it,
    and the network is what its source says.

    ## References
    - [LeCun1998] Efficient backprop.
    """

    treats = ("DAT101", "DAT102")
    may_treat = ("DAT401", "STP101", "STP201", "UNT101", "UNT102", "UNT103", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Measure on the data, scale before the first layer; no cure for a tail."""
        if measured(finding) == INPUT_TAIL.name:
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(StandardizeInput(),),
            trust="safe",
            because="the scale of the inputs sets the curvature",
            patch="x = (x - x_train.mean(0)) / x_train.std(0)",
        )
