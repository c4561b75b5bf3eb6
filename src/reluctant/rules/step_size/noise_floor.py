"""STP601 noise-floor."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, STEP_CURVATURE, STEP_GAIN
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._gauge import pairs
from reluctant.rules._loss import course, late_step, sound, stretches
from reluctant.rules._optimizers import momentum
from reluctant.rules._rates import rates


@dataclass(frozen=True)
class NoiseFloor(Rule):
    """The loss no longer falls, and the step itself holds it up there.

    ## Why it stops training
    The gradient of a batch is that of the data plus noise. At a constant rate the
    weights end in a cloud around the minimum, as wide as the noise that each step adds;
    the loss is that of the cloud. A rate that falls lets the cloud shrink.

    ## How it is measured
    In every direction of curvature λ the cloud settles where what a step gains on
    average is what its noise costs, and there the excess of the loss is a quarter of
    E[gᵀu]/(1 − β), with g and u the gradient and the step of one batch and β the
    momentum [Mandt2017]. A finding where the loss is flat over the last half of the
    run, at a constant rate, and this excess is more than `share` of it, by more than
    its error.

    ## Sick
    ```python
    last = 1.0
    x, model, loss, lr = torch.randn(1024, 32), nn.Linear(32, 4), F.mse_loss, 1.5
    y = x[:, :4] + torch.randn(1024, 4)
    after_step = lambda o, i: o.param_groups[0].update(lr=1.5 * last ** (i / 120))
    ```

    ## Healthy
    ```python
    last = 0.01
    x, model, loss, lr = torch.randn(1024, 32), nn.Linear(32, 4), F.mse_loss, 1.5
    y = x[:, :4] + torch.randn(1024, 4)
    after_step = lambda o, i: o.param_groups[0].update(lr=1.5 * last ** (i / 120))
    ```

    ## Blind spots
    A quadratic around one minimum is assumed. Without samples of the gauge late in the
    run nothing is said.

    ## Options
    - `share`: Share of the late loss that the step makes. Healthy trainings whose loss
      is flat and high come to 0.02.
    - `skill`: Above this it is a note: what is left to gain is little.
    - `sigmas`: Standard errors within which the loss of the third quarter and of the
      last count as equal.
    - `flat`: Share of the loss by which the two may differ, however large the noise.
    - `constant`: Share of its highest that the rate must still have at the end.
    - `min_samples`: Samples of the gauge in the last two thirds.
    - `min_steps`: How many steps must have passed.

    ## References
    - [Mandt2017] Stochastic gradient descent as approximate Bayesian inference.
    """

    share: float = 0.1
    skill: float = 0.8
    sigmas: float = 2.0
    flat: float = 0.08
    constant: float = 0.5
    min_samples: int = 3
    min_steps: int = 100

    code = "STP601"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS, STEP_GAIN, STEP_CURVATURE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the noise of the steps sets the level of the loss."""
        part = sound(trace)
        run, known = course(part), rates(part)
        if len(run.values) < self.min_steps:
            raise Blind(f"{len(run.values)} losses, {self.min_steps} needed")
        if run.broke >= 0 or any(r.last < self.constant * r.peak for r in known):
            return
        end = stretches(run, 4)
        if abs(end.before - end.last) > min(
            self.sigmas * end.error, self.flat * abs(end.last)
        ):
            return
        learnt = skill(part)
        if not learnt.is_exact or not end.last > 0:
            raise Blind("the best constant predictor's loss is unknown")
        if learnt.is_none(0.02):
            return  # it is no minimum that it stays at
        steps, gain, _ = pairs(part)
        gain = gain[steps >= late_step(part, 2 / 3)]
        if len(gain) < self.min_samples:
            raise Blind(f"{len(gain)} late samples of the gauge, {self.min_samples}")
        scale = 1 / (4 * (1 - momentum(part)) * end.last)
        share = scale * float(gain.mean())
        spread = scale * float(gain.std()) / len(gain) ** 0.5
        if not share - spread > self.share:
            return
        yield self.finding(
            f"the loss has stood at {end.last:.4g} since step "
            f"{int(run.steps[-2 * end.size])} at a constant rate, and the noise of the "
            f"steps makes {min(share, 1.0):.0%} ± {spread:.0%} of it (limit "
            f"{self.share:.0%})",
            evidence=(
                Evidence(
                    quantity=STEP_GAIN.name,
                    site="",
                    step=part.last_step,
                    value=share,
                    limit=self.share,
                    note=f"a quarter of E[gᵀu]/(1 − β) over {len(gain)} samples, as a "
                    "share of the loss",
                ),
            ),
            since_step=int(run.steps[-2 * end.size]),
            severity=None if learnt.value < self.skill else Severity.NOTE,
            confidence=Confidence.MEDIUM,
        )
