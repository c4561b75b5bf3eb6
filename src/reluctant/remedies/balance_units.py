"""balance-units."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, RescaleUnits, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class BalanceUnits(Remedy):
    """Move scale from outgoing to incoming weights, the function kept.

    ## When it helps
    As zero outgoing weights do, where the function must not change. Three units on
    |x + jy|: 80 % if done before the first step, 38 % after a thousand.

    ## When it hurts
    Large incoming weights learn their direction slowly. Only rectified units
    without batch norm have a scale to move.

    ## What it changes
    Incoming weights and biases of rectified units times k, outgoing ones by 1/k;
    the optimizer's moments with them.

    ## Options
    - `ratio`: Of outgoing to incoming length, afterwards.

    ## References
    - [Du2018] Algorithmic regularization in learning deep homogeneous models:
      layers are automatically balanced.
    """

    ratio: float = 0.1

    treats = ()
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Rescale all hidden units."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(RescaleUnits((), self.ratio),),
            trust="safe",
            because="outgoing weights larger than their units keep their signs",
            patch=(
                "k = head.weight.norm(dim=0) / hidden.weight.norm(dim=1)\n"
                f"k = (k / {self.ratio:g}).sqrt()\n"
                "hidden.weight.data *= k[:, None]; hidden.bias.data *= k\n"
                "head.weight.data /= k"
            ),
        )
