"""STP302 rate-gone-early."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LEARNING_RATE, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import course, sound
from reluctant.rules._rates import rates


@dataclass(frozen=True)
class RateGoneEarly(Rule):
    """The schedule has taken the learning rate away long before the training is over.

    ## Why it stops training
    A schedule that is meant for epochs but stepped at every batch is through after the
    first of them. Every step after that is too short to matter; the loss stays where
    the rate left it, which looks like a plateau.

    ## How it is measured
    The learning rate of every parameter group, when it changes. All of them stay below
    `gone` of their highest for at least `share` of the run, up to its end; and the loss
    is far from done, and was still falling when the rate went. A rate that goes within
    the first tenth of the run need not have moved the loss at all before.

    ## Sick
    ```python
    after_step = lambda o, step: o.param_groups[0].update(lr=0.02 * 0.5 ** (step // 2))
    ```

    ## Healthy
    ```python
    after_step = lambda o, step: o.param_groups[0].update(lr=0.02 * 0.5 ** (step // 40))
    ```

    ## Blind spots
    A rate that goes slowly, and is a tenth where it should be whole. A loss of a kind
    whose best constant is unknown is judged by how far it fell from its start.

    ## Options
    - `gone`: Share of its highest below which a rate is gone: a hundred steps then do
      what one did. Cosine schedules spend 6 % of their steps below it.
    - `share`: Share of the run that must lie behind that.
    - `skill`: What counts as done.
    - `min_steps`: How many steps must have passed.

    ## References
    - [PyTorchOptim] torch.optim: how to adjust the learning rate.
    """

    gone: float = 0.01
    share: float = 0.5
    skill: float = 0.9
    min_steps: int = 60

    code = "STP302"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS, LEARNING_RATE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the rate went before the loss was done."""
        part = sound(trace)
        known = [r for r in rates(part) if r.peak > 0]
        if not known:
            return
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        since = [r.below(self.gone * r.peak) for r in known]
        if min(since) < 0 or max(since) > (1 - self.share) * part.last_step:
            return
        step = max(since)
        learnt = skill(part)
        if not np.isfinite(learnt.value):
            raise Blind("the loss has no level to compare with")
        is_falling = _was_falling(part, step)
        is_at_once = 10 * step < part.last_step
        if learnt.value >= self.skill or not (is_falling or is_at_once):
            return
        rate = min(known, key=lambda r: r.last / r.peak)
        yield self.finding(
            f"the learning rate is below {self.gone:.0%} of its highest, "
            f"{rate.peak:g}, from step {step} of {part.last_step + 1} on (limit "
            f"{self.share:.0%} of the run) and ends at {rate.last:.2g}; the loss "
            f"{'was still falling' if is_falling else 'had not yet moved'}, and the "
            f"skill is {learnt.value:.2f}",
            evidence=tuple(
                Evidence(
                    quantity=LEARNING_RATE.name,
                    site=f"group{r.group}",
                    step=at,
                    value=1 - at / max(1, part.last_step),
                    limit=self.share,
                    note=f"share of the run below {self.gone:g} of {r.peak:g}",
                )
                for r, at in zip(known, since, strict=True)
            ),
            since_step=step,
            confidence=Confidence.HIGH if is_falling else Confidence.MEDIUM,
        )


def _was_falling(trace: Trace, step: int) -> bool:
    """Whether the loss fell over the last steps before one; yes where they are few.

    Where they are less than a tenth of the run, it is enough that it fell at all.
    """
    run = course(trace)
    before = run.values[run.steps < step]
    if len(before) < 8:
        return True
    part = len(before) // 3
    if 10 * step < trace.last_step:
        first, second = before[:part], before[-part:]
    else:
        first, second = np.array_split(before[-max(8, part) :], 2)
    error = np.hypot(first.std() / len(first) ** 0.5, second.std() / len(second) ** 0.5)
    return bool(first.mean() - second.mean() > error)
