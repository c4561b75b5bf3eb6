"""repel-alike-units."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, RepelUnits, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class RepelAlikeUnits(Remedy):
    """Charge units for pointing the same way.

    ## When it helps
    Proposed for small networks whose units merge: units that repel each other cover
    more directions.

    ## When it hurts
    As a cure it gained 2 to 10 points in a hundred on |x + jy|, for there the units
    are not merged but of the wrong sign. Parallel units that differ in their bias
    are legitimate, and charged.

    ## What it changes
    The gradient: that of the mean squared cosine between the units of a layer is
    added, for the first half.

    ## Options
    - `strength`: In units of the loss.

    ## References
    - [Cogswell2016] Reducing overfitting in deep networks by decorrelating
      representations.
    """

    strength: float = 0.1

    treats = ()
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Repel the units of all hidden layers."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(RepelUnits((), self.strength),),
            trust="invasive",
            because="units may do the same",
            patch=(
                "w = torch.nn.functional.normalize(layer.weight, dim=1)\n"
                f"loss = loss + {self.strength:g} * (w @ w.T).triu(1).square().mean()"
            ),
        )
