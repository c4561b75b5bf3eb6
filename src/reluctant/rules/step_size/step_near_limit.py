"""STP102 step-near-limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, STEP_CURVATURE, STEP_GAIN
from reluctant.rules._base import Blind, Rule
from reluctant.rules._gauge import mean_gauge, pairs
from reluctant.rules._harm import harms
from reluctant.rules._loss import late_step, sound


@dataclass(frozen=True)
class StepNearLimit(Rule):
    """The steps are about as long as they can be; it trains.

    ## Why it stops training
    It does not. Networks come to this edge by themselves and train on there, their loss
    going up and down on the way [Cohen2021]. But there is no room: a rate twice as
    high, smaller batches or larger inputs may be past the limit.

    ## How it is measured
    The step gauge over the samples of the last two thirds of the run, by more than its
    error above `edge`; and no harm of any kind.

    ## Sick
    ```python
    lr = 2.3
    x, model, loss = torch.randn(1024, 32), nn.Linear(32, 4), F.mse_loss
    y = x[:, :4] + 0.1 * torch.randn(1024, 4)
    ```

    ## Healthy
    ```python
    lr = 0.2
    x, model, loss = torch.randn(1024, 32), nn.Linear(32, 4), F.mse_loss
    y = x[:, :4] + 0.1 * torch.randn(1024, 4)
    ```

    ## Blind spots
    Where the loss cannot be differentiated twice there is no gauge.

    ## Options
    - `edge`: Gauge from which on a step counts as near the limit, which is 2.
    - `skill`: What counts as having learnt something.
    - `min_samples`: How many samples it takes.

    ## References
    - [Cohen2021] Gradient descent on neural networks typically occurs at the edge of
      stability.
    - [Andreyev2024] Edge of stochastic stability: revisiting the edge of stability for
      SGD.
    """

    edge: float = 1.5
    skill: float = 0.02
    min_samples: int = 3

    code = "STP102"
    severity = Severity.NOTE
    since = "0.1.0"
    needs = (LOSS, STEP_GAIN, STEP_CURVATURE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one note if the late steps are near their limit."""
        part = sound(trace)
        steps, gain, curvature = pairs(part)
        late = steps >= late_step(part, 2 / 3)
        if late.sum() < self.min_samples:
            raise Blind(f"{late.sum()} late samples of the gauge, {self.min_samples}")
        gauge = mean_gauge(gain[late], curvature[late])
        if not isfinite(gauge.value) or not isfinite(gauge.error):
            return
        if gauge.value - gauge.error < self.edge or harms(trace, level=self.skill):
            return
        yield self.finding(
            f"the step gauge is {gauge.value:.3g} ± {gauge.error:.2g} over the last "
            f"{gauge.samples} samples (limit {self.edge:g}, unstable from 2 on): it "
            f"trains, without room for longer steps",
            evidence=(
                Evidence(
                    quantity="gauge",
                    site="",
                    step=int(steps[-1]),
                    value=gauge.value,
                    limit=self.edge,
                    note=f"E[uᵀHu] / E[gᵀu] over {gauge.samples} samples",
                ),
            ),
            since_step=int(steps[late][0]),
            confidence=Confidence.MEDIUM,
        )
