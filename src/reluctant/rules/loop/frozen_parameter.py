"""LOP202 frozen-parameter."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules.loop._fresh import looks_fresh


@dataclass(frozen=True)
class FrozenParameter(Rule):
    """Weights that were just drawn at random are frozen.

    ## Why it stops training
    A parameter with `requires_grad=False` stays as it is. For a trained body under a
    new head that is meant; of weights that nobody has trained it leaves random features
    for ever, often because a loop that froze the body ran over the whole model.

    ## How it is measured
    Weight matrices without `requires_grad` whose spread is that of a standard
    initialization, within its sampling error; trained weights are hundreds of such
    errors away.

    ## Sick
    ```python
    model[2].requires_grad_(False)
    ```

    ## Healthy
    ```python
    model[2].requires_grad_(True)
    ```

    ## Blind spots
    Random features that are meant, as in reservoirs and hashing layers.

    ## Options
    - `fresh`: How close, in standard errors, a spread must be to that of a standard
      scheme.
    - `share`: Share of all weights that must be frozen so.
    - `learnt`: Skill from which on a frozen body, at the front or most of the weights,
      is a note: random features may be meant.

    ## References
    - [PyTorchModule] torch.nn.Module: requires_grad_.
    """

    fresh: float = 4.0
    share: float = 0.01
    learnt: float = 0.5

    code = "LOP202"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all fresh weights that are frozen."""
        parameters = trace.setup.parameters
        if not parameters:
            raise Blind("the model's parameters were never listed")
        weights = [p for p in parameters if len(p.shape) > 1]
        frozen = [p for p in weights if not p.requires_grad]
        fresh = [p for p in frozen if looks_fresh(p, self.fresh)]
        if not fresh or 2 * len(fresh) <= len(frozen):
            return  # nothing is frozen, or most of it was trained before
        entries = sum(prod(p.shape) for p in fresh)
        share = entries / max(1, sum(prod(p.shape) for p in weights))
        if share < self.share:
            return
        learnt = skill(sound(trace))
        front = [p.name in {f.name for f in frozen} for p in weights[: len(frozen)]]
        is_body = all(front) or share >= 0.5
        is_enough = is_body and learnt.is_exact and learnt.value >= self.learnt
        others = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
        yield self.finding(
            f"{fresh[0].name}{others} ({entries:,} entries, {share:.1%} of all "
            f"weights, "
            f"limit {self.share:.0%}) are frozen, yet look as they were drawn",
            evidence=tuple(
                Evidence(
                    quantity="requires_grad",
                    site=p.name,
                    step=0,
                    value=0.0,
                    limit=1.0,
                    note=f"shape {p.shape}, standard deviation {p.std:.3g}",
                )
                for p in fresh
            ),
            since_step=0,
            severity=Severity.NOTE if is_enough else Severity.WARNING,
            confidence=Confidence.MEDIUM,
        )
