"""STP303 group-without-rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LEARNING_RATE, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules._rates import rates
from reluctant.rules.loop._fresh import looks_fresh


@dataclass(frozen=True)
class GroupWithoutRate(Rule):
    """A parameter group has a learning rate of nothing, while the others train.

    ## Why it stops training
    Its parameters get gradients, belong to an optimizer, and stay as they were drawn:
    the rest of the network learns around random features. A base rate of 0 that a
    schedule multiplies, a decay by layer that is too steep, or a schedule that was made
    for one group does that.

    ## How it is measured
    The highest learning rate that each group ever had, against that of the group with
    the largest. Only weight matrices count whose spread is that of a standard
    initialization: a trained body may well be held fixed so. A rate that is small, not
    0, is a finding only where little is learnt.

    ## Sick
    ```python
    first, last = 0.0, 0.05
    body, head = model[:6].parameters(), model[6].parameters()
    parameters = [{"params": body, "lr": first}, {"params": head, "lr": last}]
    ```

    ## Healthy
    ```python
    first, last = 0.05, 0.05
    body, head = model[:6].parameters(), model[6].parameters()
    parameters = [{"params": body, "lr": first}, {"params": head, "lr": last}]
    ```

    ## Blind spots
    Weights of an initialization of one's own look trained. A group that is to train
    later, in a run that has not come so far.

    ## Options
    - `ratio`: Share of the largest rate below which a group has none. Rates for a
      trained body are a tenth to a thousandth.
    - `share`: Share of all weights that must be concerned.
    - `fresh`: How close, in standard errors, a spread must be to that of a standard
      scheme.
    - `skill`: Below this little is learnt.
    - `min_steps`: How many steps must have passed.

    ## References
    - [PyTorchOptim] torch.optim: per-parameter options.
    """

    ratio: float = 1e-4
    share: float = 0.01
    fresh: float = 4.0
    skill: float = 0.5
    min_steps: int = 60

    code = "STP303"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS, LEARNING_RATE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all fresh weights that have no learning rate."""
        known = rates(trace)
        top = max((r.peak for r in known), default=0.0)
        if len(known) < 2 or not top > 0:
            return
        if trace.last_step + 1 < self.min_steps:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        low = {r.group: r.peak for r in known if r.peak < self.ratio * top}
        weights = [p for p in trace.setup.parameters if len(p.shape) > 1]
        held = [p for p in weights if p.group in low and p.requires_grad]
        still = [p for p in held if looks_fresh(p, self.fresh)]
        if not still or 2 * len(still) <= len(held):
            return  # most of what is held was trained before
        share = sum(prod(p.shape) for p in still) / sum(prod(p.shape) for p in weights)
        highest = max(low[p.group] for p in still if p.group is not None)
        if share < self.share:
            return
        learnt = skill(sound(trace))
        if highest > 0 and not learnt.value < self.skill:
            return
        others = f" and {len(still) - 1} more" if len(still) > 1 else ""
        yield self.finding(
            f"{still[0].name}{others} ({share:.1%} of all weights, limit "
            f"{self.share:.0%}) look as they were drawn and never have a learning "
            f"rate above {highest:g} (limit {self.ratio * top:g}), where others have "
            f"{top:g}",
            evidence=tuple(
                Evidence(
                    quantity=LEARNING_RATE.name,
                    site=p.name,
                    step=trace.last_step,
                    value=low[p.group] if p.group is not None else 0.0,
                    limit=self.ratio * top,
                    note=f"shape {p.shape}, in group {p.group}",
                )
                for p in still
            ),
            since_step=0,
            confidence=Confidence.HIGH if highest == 0 else Confidence.MEDIUM,
        )
