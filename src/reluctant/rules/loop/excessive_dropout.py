"""LOP503 excessive-dropout."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class ExcessiveDropout(Rule):
    """Dropout leaves too little of the signal to learn from.

    ## Why it stops training
    Dropping a share p and scaling what is left adds noise whose variance is p / (1 - p)
    times the square of the signal: as much as the signal at a half, four times as much
    at 0.8, nineteen times at 0.95.

    ## How it is measured
    The share of each dropout layer, and a network that is far from done.

    ## Sick
    ```python
    model = nn.Sequential(nn.Dropout(0.98), *mlp())
    ```

    ## Healthy
    ```python
    model = nn.Sequential(nn.Dropout(0.08), *mlp())
    ```

    ## Blind spots
    Dropout that is called as a function. Several layers of moderate shares.

    ## Options
    - `share`: Share from which on noise outweighs the signal fourfold. A half is usual
      for hidden units, a fifth for inputs.
    - `skill`: Below this much is left to learn, in the way in which it is trained.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [Srivastava2014] Dropout: a simple way to prevent neural networks from
      overfitting.
    """

    share: float = 0.8
    skill: float = 0.8
    min_steps: int = 100

    code = "LOP503"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers that drop too much."""
        heavy = [m for m in trace.setup.modules if m.dropout >= self.share]
        if not heavy:
            return
        part = sound(trace)
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(part)
        if not learnt.is_exact or learnt.value >= self.skill:
            return
        worst = max(heavy, key=lambda m: m.dropout)
        others = f", and {len(heavy) - 1} more like it" if len(heavy) > 1 else ""
        yield self.finding(
            f"{worst.name} drops {worst.dropout:.0%} of its entries (limit "
            f"{self.share:.0%}){others}; the skill is {learnt.value:.2f}",
            evidence=tuple(
                Evidence(
                    quantity="dropout",
                    site=m.name,
                    step=0,
                    value=m.dropout,
                    limit=self.share,
                    note="share of entries that are dropped",
                )
                for m in sorted(heavy, key=lambda m: -m.dropout)
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )
