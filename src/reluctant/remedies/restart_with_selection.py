"""restart-with-selection."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, RestartSelected, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class RestartWithSelection(Remedy):
    """Start many times, train each a little, keep the best.

    ## When it helps
    The start decides, as in small networks: what becomes of it shows in the loss
    after a hundred steps. Of 27 starts 9, 3 and 1 are kept: on |x + jy| 100 %, on
    teachers of mixed signs 88 %, at the cost of one training.

    ## When it hurts
    Where every start fails alike. Where the loss of the first steps says nothing of
    the last, as with long plateaus.

    ## What it changes
    Which start is trained to the end; what was trained so far is lost.

    ## Options
    - `starts`: At first; a third of them is kept in each round.
    - `share`: Of all steps, that the rounds take together.
    - `rate`: What the learning rate is multiplied by in the rounds: what a start is
      good for shows sooner.

    ## References
    - [Jamieson2016] Non-stochastic best arm identification and hyperparameter
      optimization.
    """

    starts: int = 27
    share: float = 0.75
    rate: float = 10.0

    treats = ()
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Select among fresh starts."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(RestartSelected(self.starts, 1 / 3, self.share, self.rate),),
            trust="safe",
            because="the start decides, and shows early",
            patch=(
                f"models = [make_model() for _ in range({self.starts})]\n"
                "while len(models) > 1:  # each round trains three times as long\n"
                "    models = sorted(map(train_a_little, models), key=loss)\n"
                "    models = models[: len(models) // 3]"
            ),
        )
