"""FIT101 cannot-overfit-one-batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    OVERFIT_DRY,
    OVERFIT_FREEDOM,
    OVERFIT_OWN,
    OVERFIT_SAMPLES,
    OVERFIT_SKILL,
    OVERFIT_STEPS,
)
from reluctant.rules._base import BY_CHECK, Blind, Rule


@dataclass(frozen=True)
class CannotOverfitOneBatch(Rule):
    """The network cannot learn even a few samples by heart.

    ## Why it stops training
    A network that works learns thirty samples by heart in a hundred steps, for it has
    many parameters for each of them and nothing to generalize to. One that does not do
    better on them than a constant gets no usable gradient, cannot produce what is asked
    for, or is not asked for anything that its input decides. More data, more epochs and
    another learning rate cannot help. It says that something is broken, not what: the
    findings above it do.

    ## How it is measured
    `reluctant check` trains copies on few samples alone: with the training's own
    optimizer, and where that does not do with Adam at three learning rates and L-BFGS.
    Skill is how far the loss came on its way from that of the best constant output for
    these very samples to the lowest that any outputs could have; both are found by
    minimizing the loss over outputs.

    ## Sick
    ```python
    model[0].bias.data[:] = -1000.0
    ```

    ## Healthy
    ```python
    model[0].bias.data[:] = 0.0
    ```

    ## Blind spots
    A fault that still lets a few samples be learnt is not seen: wrong labels, a step
    that is too long, a leak between samples. A network with hardly more parameters than
    targets has no reason to learn them by heart.

    ## Options
    - `skill`: Share of that way that must be behind it. Networks that work reach 0.5
      and more, those that cannot learn stay below 0.02.
    - `freedom`: Parameters for each target below which nothing is said.
    - `min_samples`: Fewer may by chance lie where a rectified output is off for all.
    - `min_steps`: Steps that the attempts must have taken together.

    ## References
    - [Zhang2017] Understanding deep learning requires rethinking generalization.
    """

    skill: float = 0.1
    freedom: float = 5.0
    min_samples: int = 8
    min_steps: int = 100

    code = "FIT101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = ()

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if no attempt beat the best constant."""
        if not trace.has(OVERFIT_SKILL):
            told = [n for n in trace.notes("exam-blind") if n.site == "overfit"]
            raise Blind(told[-1].text if told else BY_CHECK)
        best = float(trace.series(OVERFIT_SKILL).values[-1])
        if best >= self.skill:
            return
        freedom = trace.series(OVERFIT_FREEDOM).values
        if freedom.size and not freedom[-1] >= self.freedom:
            raise Blind(
                f"{freedom[-1]:.2g} parameters for each target, {self.freedom:g} needed"
            )
        few = trace.series(OVERFIT_SAMPLES).values
        if few.size and not few[-1] >= self.min_samples:
            raise Blind(f"{few[-1]:.0f} samples by heart, {self.min_samples} needed")
        taken = trace.series(OVERFIT_STEPS).values
        steps = int(taken[-1]) if taken.size and isfinite(taken[-1]) else 0
        # attempts that end in nan are over soon, and have shown what they can
        if steps < self.min_steps and isfinite(best):
            raise Blind(f"{steps} steps of overfitting, {self.min_steps} needed")
        series = trace.series(OVERFIT_OWN).values
        own = float(series[-1]) if series.size else best
        series = trace.series(OVERFIT_DRY).values
        dry = float(series[-1]) if series.size else nan
        but = f"; with dropout off it is {dry:.0%}" if dry > 2 * self.skill else ""
        yield self.finding(
            f"trained on a few samples alone, {steps} steps with its own optimizer and "
            f"others come {max(best, 0.0):.1%} of the way from the best "
            f"constant's loss to the lowest there is (limit {self.skill:.0%}){but}",
            evidence=(
                Evidence(
                    quantity=OVERFIT_SKILL.name,
                    site="",
                    step=trace.last_step,
                    value=best,
                    limit=self.skill,
                    note=f"with its own optimizer {own:.3g}",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH if best < 0.02 else Confidence.MEDIUM,
        )
