"""bend-between-layers."""

from dataclasses import dataclass

from reluctant.records import Finding, InsertActivation, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class BendBetweenLayers(Remedy):
    """Put a rectifier where two layers follow each other with nothing between them.

    ## When it helps
    Layers in a row without an activation are one layer, however many they are. What
    is not linear cannot be learnt then.

    ## When it hurts
    Where a product of matrices is meant: a bottleneck, a factorization, an adapter of
    low rank.

    ## What it changes
    What such layers put out goes through a rectifier; heads stay as they are.

    ## References
    - [He2015] Delving deep into rectifiers.
    """

    treats = ("LOP501",)
    may_treat = ("FIT101",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Rectify what all bare layers put out."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(InsertActivation(),),
            trust="invasive",
            because="layers with nothing between them are one layer",
            patch="x = layer2(relu(layer1(x)))  # was layer2(layer1(x))",
        )
