"""weaken-weight-decay."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, ScaleWeightDecay, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class WeakenWeightDecay(Remedy):
    """Let weight decay pull less.

    ## When it helps
    Weights fall to zero faster than gradients can hold them up: the decay per step is
    a share of the weight that no gradient near the solution matches.

    ## When it hurts
    Where the training data are learnt by heart, decay is what keeps weights small.

    ## What it changes
    The weight decay of every parameter group.

    ## Options
    - `factor`: What it is multiplied by.

    ## References
    - [Loshchilov2019] Decoupled weight decay regularization.
    """

    factor: float = 1e-3

    treats = ("STP401",)
    may_treat = ("FIT101", "HED101")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Scale it, where there is any."""
        known = [g.options.get("weight_decay") for g in trace.setup.groups]
        decays = [d for d in known if isinstance(d, float | int) and d > 0]
        if not decays:
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(ScaleWeightDecay(self.factor),),
            trust="safe",
            because=f"a weight decay of {max(decays):.3g} may leave no weights",
            patch=f"weight_decay = {self.factor * max(decays):.2g}"
            f"  # was {max(decays):g}",
        )
