"""STP101 step-past-limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    LEARNING_RATE,
    LOSS,
    STEP_CURVATURE,
    STEP_GAIN,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._gauge import gauge_at
from reluctant.rules._harm import harms
from reluctant.stats import Ratio


@dataclass(frozen=True)
class StepPastLimit(Rule):
    """The average step is so long that it raises its own batch's loss, and did harm.

    ## Why it stops training
    A step that subtracts u changes the loss of its batch by −gᵀu + ½uᵀHu. The first
    term is what the gradient promises, the second what curvature takes back, and it
    grows with the square of the step. Where G = E[uᵀHu] / E[gᵀu] passes 2 the average
    step
    goes uphill. In a network with rectifiers one such step can silence units for
    good.

    ## How it is measured
    The gauge G over the sampled steps up to the harm, as a ratio of means, with its
    jackknife error. Near 2 a network trains well for a long time, the edge of stability
    [Cohen2021], so the gauge is never enough: it takes a loss that rises for good or is
    no number, outputs or a layer that were alive and fell silent, or outputs that fall
    back to a constant.

    ## Sick
    ```python
    lr = 5.0
    ```

    ## Healthy
    ```python
    lr = 0.05
    ```

    ## Blind spots
    Without a gauge sample up to the harm nothing can be said; STP201 then tells how the
    loss rose. The gauge is of second order: a single step into a cliff may pass it.

    ## Options
    - `limit`: The largest gauge at which the average step still goes down, by
      arithmetic. Over ten networks with minibatch 1, each at 0.9 of the learning rate
      that broke it, it was 1.4 to 2.7.
    - `edge`: Gauge from which on harm is put down to the step with low confidence.
    - `windows`: How many samples up to the harm are averaged: many, or the last few
      where these have a clearly larger mean, for the gauge rises as harm draws near.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.
    - `min_steps`: How many steps must have passed, unless the loss broke before.

    ## References
    - [Cohen2021] Gradient descent on neural networks typically occurs at the edge of
      stability.
    - [Andreyev2024] Edge of stochastic stability: revisiting the edge of stability for
      SGD.
    - [Lewkowycz2020] The large learning rate phase of deep learning.
    """

    limit: float = 2.0
    edge: float = 1.5
    windows: tuple[int, ...] = (12, 6, 3)
    skill: float = 0.02
    min_steps: int = 20

    code = "STP101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, STEP_GAIN, STEP_CURVATURE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the gauge was past its limit when harm set in."""
        found = harms(trace, level=self.skill)
        if not found:
            if trace.last_step + 1 < self.min_steps:
                raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
            return
        gauge, harm, first, last_at = gauge_at(trace, found, self.windows)
        if gauge.value < self.edge:
            return
        rates = _rates(trace, last_at)
        error = f" ± {gauge.error:.2g}" if isfinite(gauge.error) else ""
        at = f", learning rate {rates[0]:g}" if rates else ""
        yield self.finding(
            f"the step gauge is {gauge.value:.3g}{error} over {gauge.samples} samples "
            f"from step {first} to {last_at} (limit {self.limit:g}){at}; {harm.text}",
            evidence=(
                Evidence(
                    quantity="gauge",
                    site="",
                    step=last_at,
                    value=gauge.value,
                    limit=self.limit,
                    note=f"E[uᵀHu] / E[gᵀu] over {gauge.samples} samples{error}",
                ),
                *(
                    Evidence(
                        quantity="harm",
                        site="",
                        step=h.step,
                        value=1.0,
                        limit=0.0,
                        note=h.text,
                    )
                    for h in found
                ),
            ),
            since_step=min(first, harm.step),
            confidence=self._confidence(gauge),
        )

    def _confidence(self, gauge: Ratio) -> Confidence:
        if gauge.value < self.limit:
            return Confidence.LOW
        sure = gauge.samples >= 5 and gauge.value - 2 * gauge.error > self.limit
        if sure or (gauge.samples >= 2 and gauge.value > 3 * self.limit):
            return Confidence.HIGH
        return Confidence.MEDIUM


def _rates(trace: Trace, step: int) -> list[float]:
    """The learning rate of each group at a step."""
    rates = []
    for site in trace.sites(LEARNING_RATE):
        at, values = trace.series(LEARNING_RATE, site)
        known = values[at <= step]
        if known.size and isfinite(known[-1]):
            rates.append(float(known[-1]))
    return rates
