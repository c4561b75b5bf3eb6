"""STP101 step-past-limit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    LEARNING_RATE,
    LOSS,
    UPDATE_RATIO,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._depth import over_sequence
from reluctant.rules._gauge import GaugeAtHarm, gauge_at
from reluctant.rules._harm import Harm, harms
from reluctant.rules._optimizers import momentum
from reluctant.rules._reach import Reach, reach
from reluctant.stats import Ratio

_SMALL_BATCH = 8  # samples up to which one batch says little of the next


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

    Where the loss cannot be differentiated twice, or the gauge does not say, the share
    of each weight that one step replaces: layers multiply, so where the product over
    all of them doubles within a step, the gradient says nothing of where it ends
    [Bernstein2020].

    ## Sick
    ```python
    lr = 5.0
    ```

    ## Healthy
    ```python
    lr = 0.05
    ```

    ## Blind spots
    The gauge is of second order: a single step into a cliff may pass it. Without a
    sample up to the harm, and with steps that replace little of the weights, nothing
    can be said; STP201 then tells how the loss rose.

    ## Options
    - `limit`: The largest gauge at which the average step still goes down, by
      arithmetic. Momentum β with batches of 8 and less: 2(1 − β), for such batches have
      little in common and their steps add up. Over ten networks with minibatch 1, each
      at 0.9 of the learning rate that broke it, it was 1.4 to 2.7.
    - `edge`: Gauge from which on harm is put down to the step with low confidence.
    - `reach`: Share of the weights that a step must replace at least, however deep the
      network. Usual is 1e-3; a healthy start of Adam comes to 0.05.
    - `windows`: How many samples up to the harm are averaged: many, or the last few
      where these have a clearly larger mean, for the gauge rises as harm draws near.
    - `sequence_decades`: Growth of the gradient over a sequence, at the start, beyond
      which it is not the step that is too long.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.
    - `min_steps`: How many steps must have passed, unless the loss broke before.

    ## References
    - [Cohen2021] Gradient descent on neural networks typically occurs at the edge of
      stability.
    - [Andreyev2024] Edge of stochastic stability: revisiting the edge of stability for
      SGD.
    - [Bernstein2020] On the distance between two neural networks and the stability of
      learning.
    - [Lewkowycz2020] The large learning rate phase of deep learning.
    """

    limit: float = 2.0
    edge: float = 1.5
    reach: float = 0.1
    windows: tuple[int, ...] = (48, 12, 6, 3)
    sequence_decades: float = 2.0
    skill: float = 0.02
    min_steps: int = 20

    code = "STP101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, UPDATE_RATIO)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if steps were past their limit when harm set in."""
        found = harms(trace, level=self.skill)
        if not found:
            if trace.last_step + 1 < self.min_steps:
                raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
            return
        if over_sequence(trace)[1] > self.sequence_decades:
            return  # any step would be too long: GRD102
        unmeasured: Blind | None = None
        try:
            at = gauge_at(trace, found, self.windows)
        except Blind as reason:
            unmeasured = reason
        else:
            scale = _scale(trace)
            if at.gauge.value >= self.edge * scale:
                yield self._by_gauge(trace, found, at, self.limit * scale)
                return
        far = reach(trace, max(h.until for h in found), least=self.reach)
        if far.value >= far.limit:
            yield self._by_reach(trace, found, far)
        elif unmeasured is not None:
            raise unmeasured

    def _by_gauge(
        self, trace: Trace, found: Sequence[Harm], at: GaugeAtHarm, limit: float
    ) -> Finding:
        gauge = at.gauge
        error = f" ± {gauge.error:.2g}" if isfinite(gauge.error) else ""
        span = f"over {gauge.samples} samples from step {at.first} to {at.last}"
        told = (
            f"the step gauge is {gauge.value:.3g}{error} {span} (limit {limit:.2g})"
            if isfinite(gauge.value)
            else f"the steps go on against the gradient: E[gᵀu] is below 0 {span}"
        )
        return self.finding(
            f"{told}{_rate(trace, at.last)}; {at.harm.text}",
            evidence=(
                Evidence(
                    quantity="gauge",
                    site="",
                    step=at.last,
                    value=gauge.value,
                    limit=limit,
                    note=f"E[uᵀHu] / E[gᵀu] over {gauge.samples} samples{error}",
                ),
                *_evidence(found),
            ),
            since_step=min(at.first, at.harm.step),
            confidence=_confidence(gauge, limit),
        )

    def _by_reach(self, trace: Trace, found: Sequence[Harm], far: Reach) -> Finding:
        return self.finding(
            f"one step replaces {far.value:.0%} of the weights at step {far.step} "
            f"(limit {far.limit:.0%} for {far.weights} weight matrices)"
            f"{_rate(trace, far.step)}; {found[0].text}",
            evidence=(
                Evidence(
                    quantity=UPDATE_RATIO.name,
                    site="",
                    step=far.step,
                    value=far.value,
                    limit=far.limit,
                    note="median over the weight matrices",
                ),
                *_evidence(found),
            ),
            since_step=min(far.step, found[0].step),
            confidence=(
                Confidence.HIGH if far.value > 2 * far.limit else Confidence.MEDIUM
            ),
        )


def _confidence(gauge: Ratio, limit: float) -> Confidence:
    if gauge.value < limit:
        return Confidence.LOW
    if not isfinite(gauge.value):
        return Confidence.MEDIUM
    sure = gauge.samples >= 5 and gauge.value - 2 * gauge.error > limit
    if sure or (gauge.samples >= 2 and gauge.value > 3 * limit):
        return Confidence.HIGH
    return Confidence.MEDIUM


def _scale(trace: Trace) -> float:
    """What momentum makes of the limit where batches are small.

    Batches of a few samples have little in common, so the steps that momentum adds up
    are those of as many batches: it is plain descent with a step 1/(1 − β) as long,
    of which the gauge of one batch sees its own part alone.
    """
    is_small = 0 < trace.setup.batch_size <= _SMALL_BATCH
    return 1 - momentum(trace) if is_small else 1.0


def _evidence(found: Sequence[Harm]) -> list[Evidence]:
    return [
        Evidence(
            quantity="harm", site="", step=h.step, value=1.0, limit=0.0, note=h.text
        )
        for h in found
    ]


def _rate(trace: Trace, step: int) -> str:
    rates = _rates(trace, step)
    return f", learning rate {rates[0]:g}" if rates else ""


def _rates(trace: Trace, step: int) -> list[float]:
    """The learning rate of each group at a step."""
    rates = []
    for site in trace.sites(LEARNING_RATE):
        at, values = trace.series(LEARNING_RATE, site)
        known = values[at <= step]
        if known.size and isfinite(known[-1]):
            rates.append(float(known[-1]))
    return rates
