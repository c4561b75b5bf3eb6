"""STP301 step-too-small."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, STEP_CURVATURE, STEP_GAIN, UPDATE_RATIO
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._gauge import pairs
from reluctant.rules._loss import course, last_fifth, late_step, sound
from reluctant.stats import ratio_of_means


@dataclass(frozen=True)
class StepTooSmall(Rule):
    """The steps are so short that the training gets nowhere.

    ## Why it stops training
    The loss falls by what the gradient promises, and that is in proportion to the step.
    A learning rate a thousand times too small needs a thousand times the steps.

    ## How it is measured
    The step gauge G late in the run: it grows in proportion to the learning rate and
    steps are stable up to 2. Below `gauge` a step many times as long would still be
    safe. And the network has learnt little, and its weights hardly move. A network that
    has converged has learnt; one that warms up is judged by its last steps.

    ## Sick
    ```python
    lr = 0.00001
    ```

    ## Healthy
    ```python
    lr = 0.05
    ```

    ## Blind spots
    Steps that get too short only after much was learnt, by a schedule that ends early.

    ## Options
    - `gauge`: Below this a step a hundred times as long would be safe. Healthy
      trainings of the zoo run at 0.1 to 3.
    - `ratio`: Relative change of the weights a step below which they hardly move; 1e-3
      is the usual size.
    - `usual`: The same for a run whose gauge is below a fifth of its limit and whose
      loss falls to the end: it would have got further by longer steps.
    - `crawl`: Share of the whole fall that came in the last fifth of such a run.
    - `skill`: What counts as having learnt much.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [Andreyev2024] Edge of stochastic stability.
    """

    gauge: float = 0.02
    ratio: float = 2e-4
    usual: float = 1e-3
    crawl: float = 0.1
    skill: float = 0.25
    min_steps: int = 60

    code = "STP301"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, STEP_GAIN, STEP_CURVATURE, UPDATE_RATIO)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if longer steps would be safe and are needed."""
        part = sound(trace)
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(part)
        if not np.isfinite(learnt.value):
            raise Blind("the loss has no level to compare with")
        run = course(part)
        if learnt.value >= self.skill or not 0.5 <= run.late / run.start <= 1.5:
            return  # it has learnt, is on its way, or has come to harm
        steps, gain, curvature = pairs(part)
        late = steps >= late_step(part, 0.5)
        if late.sum() < 2:
            late = np.arange(len(steps)) >= len(steps) - 3
        if not late.any():
            raise Blind("no sample of the gauge is finite")
        gauge = ratio_of_means(np.abs(curvature[late]), np.abs(gain[late]))
        if not np.isfinite(gauge.value) or gauge.value >= self.gauge:
            return
        moves = _moves(part)
        if not np.isfinite(moves):
            raise Blind("no change of the weights was sampled")
        is_slow = last_fifth(part) >= self.crawl and gauge.value < self.gauge / 5
        most = self.usual if is_slow else self.ratio
        if moves >= most or moves == 0:
            return
        factor = 0.5 / gauge.value if gauge.value > 0 else np.inf
        yield self.finding(
            f"the step gauge is {gauge.value:.1e} late in the run (limit "
            f"{self.gauge:g}, stable up to 2), the weights change by {moves:.1e} of "
            f"their size a step (limit {most:g}), and after {part.last_step + 1} steps "
            f"the skill is {learnt.value:.2f}: a step {factor:.0e} times as long would "
            f"be safe",
            evidence=(
                Evidence(
                    quantity="gauge",
                    site="",
                    step=part.last_step,
                    value=gauge.value,
                    limit=self.gauge,
                    note=f"over {gauge.samples} samples",
                ),
                Evidence(
                    quantity=UPDATE_RATIO.name,
                    site="",
                    step=part.last_step,
                    value=moves,
                    limit=most,
                    note="median over weights, late in the run",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH
            if gauge.value < self.gauge / 5
            else (Confidence.MEDIUM),
        )


def _moves(trace: Trace) -> float:
    """Relative change of the weight that moves most, late in the run."""
    late = late_step(trace, 0.5)
    medians = []
    for site in trace.sites(UPDATE_RATIO):
        if site.endswith("bias"):
            continue  # a bias that starts at zero moves by any multiple of itself
        steps, values = trace.series(UPDATE_RATIO, site)
        values = values[(steps >= late) & np.isfinite(values)]
        if values.size:
            medians.append(float(np.median(values)))
    return max(medians) if medians else float("nan")
