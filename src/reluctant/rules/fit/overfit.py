"""FIT401 overfit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import HELD_OUT_LOSS, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._held_out import held_out, trained
from reluctant.rules._loss import course, sound


@dataclass(frozen=True)
class Overfit(Rule):
    """The training loss goes on falling while the held-out loss rises.

    ## Why it stops training
    It does not; it stops being of use. From some step on the network learns what is
    true of its samples alone, and what it says of others gets worse.

    ## How it is measured
    Where the script evaluates: the losses that it computes without gradients between
    two training steps, their mean for each evaluation. Found is a held-out loss that
    ends above its best by more than `rise` of it and more than its noise, while the
    training loss has fallen since. Where it ends worse than the best constant, or than
    where it began, it is a warning; else a note.

    ## Sick
    ```python
    x, keep = x + 9 * torch.randn(1024, 32), 128
    order, lr = lambda n: evaluated(model, loss, x, y, keep), 0.02
    ```

    ## Healthy
    ```python
    x, keep = x + 0 * torch.randn(1024, 32), 128
    order, lr = lambda n: evaluated(model, loss, x, y, keep), 0.02
    ```

    ## Blind spots
    Scripts that do not evaluate, or compute the held-out loss by hand. Under
    `reluctant.watch` hand it over: `run.loss(loss)` under `torch.no_grad()`. A rising
    cross-entropy may go with a rising accuracy: then the confidence is wrong.

    ## Options
    - `rise`: Share of the best held-out loss by which it must have risen.
    - `sigmas`: The same in units of its noise.
    - `fall`: Share by which the training loss must have fallen since the best.
    - `early`: Share of the evaluations by which the best must have been: later, the
      rise is too short to tell.

    ## References
    - [Goodfellow2016] Deep Learning, section 7.8: early stopping.
    """

    rise: float = 0.1
    sigmas: float = 4.0
    fall: float = 0.2
    early: float = 0.7

    code = "FIT401"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if what is learnt no longer carries over."""
        trace = sound(trace)
        if not trace.has(HELD_OUT_LOSS):
            raise Blind("no evaluation was seen")
        held = held_out(trace)
        if held is None:
            raise Blind("fewer than 4 evaluations were seen")
        up = held.late - held.best
        if not up > max(self.rise * abs(held.best), self.sigmas * held.noise):
            return
        if int(held.values.argmin()) > self.early * (len(held.values) - 1):
            return
        then, now = trained(trace, held.best_step), course(trace).late
        if not now < (1 - self.fall) * then:
            return
        known = skill(trace)
        # compared only where it is a loss of the same kind: near the training's own
        first = held.values[0]
        is_alike = known.is_exact and 0.3 <= first / max(known.constant, 1e-30) <= 30
        worst = known.constant if is_alike else float(np.max(held.values[:1]))
        is_lost = held.late > worst and now < 0.7 * worst
        yield self.finding(
            f"the held-out loss ({held.site or 'as handed over'}) was {held.best:.4g} "
            f"at step {held.best_step:,} and ends at {held.late:.4g}, "
            f"{up / abs(held.best):.0%} above (limit {self.rise:.0%}), while the "
            f"training loss fell from {then:.4g} to {now:.4g}"
            + (f": worse than {'a constant' if is_alike else 'untrained'}" * is_lost),
            evidence=(
                Evidence(
                    quantity=HELD_OUT_LOSS.name,
                    site=held.site,
                    step=int(held.steps[-1]),
                    value=held.late,
                    limit=(1 + self.rise) * held.best,
                    note=f"{len(held.values)} evaluations, noise {held.noise:.2g}",
                ),
            ),
            since_step=held.best_step,
            severity=Severity.WARNING if is_lost else Severity.NOTE,
            confidence=Confidence.HIGH if is_lost else Confidence.MEDIUM,
        )
