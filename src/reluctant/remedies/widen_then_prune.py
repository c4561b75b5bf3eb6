"""widen-then-prune."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Prune, Trace, Widen
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class WidenThenPrune(Remedy):
    """Train with more units, then keep the best.

    ## When it helps
    As more units do, where the size is given. Twelve units for a third of the
    steps, pruned to three and trained on, the same cost in all: 100 % on |x + jy|,
    81 % on teachers of mixed signs.

    ## When it hurts
    Steps of a wide network cost more. What is pruned must be read by one linear
    layer, which is refitted.

    ## What it changes
    Units are added, and after a third of the steps those that are missed least are
    taken away again.

    ## Options
    - `factor`: Units while it is wide over units before and after.
    - `after`: Share of the steps that are done wide.

    ## References
    - [Reed1993] Pruning algorithms: a survey.
    - [Safran2018] Spurious local minima are common in two-layer ReLU neural
      networks.
    """

    factor: float = 4.0
    after: float = 0.35

    treats = ()
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Widen all hidden layers, and prune them to what they were."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(
                Widen((), self.factor),
                Prune((), 1 / self.factor, self.after),
            ),
            trust="safe",
            because="a wider network finds it, a smaller one can hold it",
            patch=(
                f"# {self.factor:g} times as wide for {self.after:.0%} of the steps;\n"
                "# drop the units that are missed least, refit the next layer, train on"
            ),
        )
