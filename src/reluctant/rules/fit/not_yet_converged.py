"""FIT501 not-yet-converged."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import course, sound, stretches


@dataclass(frozen=True)
class NotYetConverged(Rule):
    """The loss was still falling when the run ended; nothing is wrong.

    ## Why it stops training
    It does not. What looks like a poor result is a training that ended early: more
    steps at the same settings would have gone further.

    ## How it is measured
    The mean loss of the last fifth of the run against that of the fifth before it: the
    difference as a share of all that the loss fell, beyond what noise explains.

    ## Sick
    ```python
    lr = 0.0015
    ```

    ## Healthy
    ```python
    lr = 0.15
    ```

    ## Blind spots
    A schedule that lets the rate fall to zero ends with a flat loss, done or not. What
    the training loss still falls by may be learnt by heart.

    ## Options
    - `share`: Share of the whole fall that fell to the last fifth of the run.
    - `sigmas`: Standard errors by which the two fifths must differ.
    - `skill`: What counts as having learnt something; below it other rules speak.
    - `min_steps`: How many steps must have been seen.

    ## References
    - [Goodfellow2016] Deep Learning, section 8.1: stopping before a minimum.
    """

    share: float = 0.03
    sigmas: float = 4.0
    skill: float = 0.02
    min_steps: int = 50

    code = "FIT501"
    severity = Severity.NOTE
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one note if the loss was still falling at the end."""
        trace = sound(trace)
        run = course(trace)
        if len(run.values) < self.min_steps:
            raise Blind(f"{len(run.values)} losses, {self.min_steps} needed")
        end = stretches(run, 5)
        fell, whole = end.before - end.last, run.start - end.last
        learnt = skill(trace)
        if not learnt.value > self.skill or not whole > 0:
            return
        if fell < self.share * whole or fell < self.sigmas * end.error:
            return
        yield self.finding(
            f"the loss still falls: from {end.before:.4g} to {end.last:.4g} over "
            f"the last fifth of {trace.last_step + 1:,} steps, {fell / whole:.0%} of "
            f"all that it fell (limit {self.share:.0%}); nothing is wrong with that",
            evidence=(
                Evidence(
                    quantity=LOSS.name,
                    site="",
                    step=trace.last_step,
                    value=fell / whole,
                    limit=self.share,
                    note=f"share of the fall from {run.start:.4g}",
                ),
            ),
            since_step=int(run.steps[-end.size]),
            confidence=Confidence.MEDIUM,
        )
