"""STP304 endless-warm-up."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LEARNING_RATE, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules._rates import rates


@dataclass(frozen=True)
class EndlessWarmUp(Rule):
    """The learning rate still warms up when the training ends.

    ## Why it stops training
    A warm-up is counted in steps, a training often in epochs. One that takes ten times
    the steps that there are never comes to the rate that was asked for: the network
    trains with a small part of it throughout.

    ## How it is measured
    The learning rate when it changes: it rises from the first step to the last, by
    `rise` and more, and ends below `reached` of the rate that the optimizer was made
    with. And little has been learnt.

    ## Sick
    ```python
    after_step = lambda o, step: o.param_groups[0].update(lr=0.02 * step / 1e5)
    ```

    ## Healthy
    ```python
    after_step = lambda o, step: o.param_groups[0].update(lr=0.02 * min(1, step / 10))
    ```

    ## Blind spots
    A run that is looked at before its warm-up was to end. An optimizer that was made
    with another rate than the schedule leads to.

    ## Options
    - `reached`: Share of the rate asked for that counts as having come there.
    - `rise`: How many times its first value the last one must be; a search for a
      learning rate rises too, but beyond what the optimizer was made with.
    - `skill`: Below this little is learnt.
    - `min_steps`: How many steps must have passed.

    ## References
    - [Goyal2017] Accurate, large minibatch SGD: training ImageNet in 1 hour.
    """

    reached: float = 0.1
    rise: float = 5.0
    skill: float = 0.5
    min_steps: int = 60

    code = "STP304"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS, LEARNING_RATE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the rate never came to what was asked for."""
        part = sound(trace)
        known = rates(part)
        if not known:
            return
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        for rate in known:
            values = (
                rate.values
            )  # a loop that sets it after the step begins at the base
            values = values[1:] if values[0] >= rate.base else values
            is_rising = len(values) > 3 and bool((np.diff(values) > 0).all())
            is_late = rate.steps[-1] >= part.last_step / 2
            small = rate.last < self.reached * rate.base
            first = values[values > 0][:1]
            grown = first.size and rate.last >= self.rise * first[0]
            if not (is_rising and is_late and small and grown):
                return
        learnt = skill(part)
        if not np.isfinite(learnt.value):
            raise Blind("the loss has no level to compare with")
        if learnt.value >= self.skill:
            return
        last = known[0]
        yield self.finding(
            f"the learning rate rises from step 0 to step {last.steps[-1]} and has "
            f"come to {last.last:.2g}, {last.last / last.base:.1%} of the "
            f"{last.base:g} asked for (limit {self.reached:.0%}); the skill is "
            f"{learnt.value:.2f}",
            evidence=tuple(
                Evidence(
                    quantity=LEARNING_RATE.name,
                    site=f"group{r.group}",
                    step=int(r.steps[-1]),
                    value=r.last / r.base,
                    limit=self.reached,
                    note=f"of {r.base:g}",
                )
                for r in known
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
