"""HED101 constant-predictor."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, OUTPUT_MEAN
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import Skill, skill, targets, term
from reluctant.rules._loss import late_step, sound
from reluctant.rules._outputs import middle, spread


@dataclass(frozen=True)
class ConstantPredictor(Rule):
    """The network gives every input the same output and is no better than a constant.

    ## Why it stops training
    Only the last bias has learnt anything: the mean of the targets, or how frequent
    each class is. The output does not depend on the input, so the gradient that could
    change this is as good as zero.

    ## How it is measured
    Two things at once, late in the run. Skill: 1 − loss / loss of the best constant
    predictor on the same targets, no more than `skill` beyond its error. Spread: the
    variance of the outputs between samples, no more than `spread` of the targets'. A
    slow network has no skill either, but its outputs differ; so it is the spread that
    tells the two apart.

    A loss of several terms, such as a variational autoencoder's, is judged by the term
    that compares outputs with targets, which a heavier one may have put to silence.

    ## Sick
    ```python
    x = 0 * x + 1
    ```

    ## Healthy
    ```python
    x = 1 * x + 1
    ```

    ## Blind spots
    A loss of an unknown kind has no best constant to compare with. A spread that still
    grows is a plateau about to end, and not judged yet.

    ## Options
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning. A healthy run passes 0.02 within its first epoch.
    - `spread`: Variance between samples over that of the targets. Measured on data with
      1 % positives: healthy but slow networks 0.01 and more, dead ones 10⁻⁵ and less.
    - `spread_of_term`: The same for a loss of several terms. What is drawn at random
      within the network makes its outputs differ a little, whatever the input: a
      collapsed decoder had 0.004, healthy ones have 0.2 and more.
    - `min_steps`: How many steps must have passed.
    - `growth`: By how much the spread may have grown from the third quarter of the run
      to the last; beyond that it is on its way.

    ## References
    - [Hinton2014] Introduction to neural networks, on plateaus that look like minima.
    - [Lin2017] Focal loss for dense object detection.
    """

    skill: float = 0.02
    spread: float = 1e-3
    spread_of_term: float = 0.01
    min_steps: int = 40
    growth: float = 3.0

    code = "HED101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MEAN)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if late outputs are the same for every input."""
        trace = sound(trace)
        if trace.last_step + 1 < self.min_steps:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(trace)
        want = targets(trace, late_step(trace, 0.5)).variance
        if not learnt.is_exact:
            yield from self._of_a_term(trace)
            return
        if not want > 0:
            return  # constant targets ask for a constant
        from_step = self._late(trace)
        late = spread(trace, from_step)
        before = spread(trace, from_step // 2, from_step - 1)
        apart = middle(late.values)
        if not np.isfinite(apart):
            raise Blind("too few outputs were sampled in the second half of the run")
        if not learnt.is_none(self.skill) or apart > self.spread * want:
            return
        if apart > self.growth * middle(before.values) and apart > 1e-6 * want:
            raise Blind(
                f"the outputs' spread is {apart:.1e} and still grows: a plateau that "
                f"may end"
            )
        run = spread(trace)
        apart_at = run.steps[run.values > self.spread * want]
        since = int(apart_at[-1]) + 1 if apart_at.size and len(run.steps) > 1 else 0
        yield self.finding(
            f"the loss is {learnt.constant * (1 - learnt.value):.4g} where the best "
            f"constant has {learnt.constant:.4g} (skill {learnt.value:.3f}, limit "
            f"{self.skill:g}), and outputs differ between samples by a variance of "
            f"{apart:.1e}, {apart / want:.0e} of the targets' (limit {self.spread:g})",
            evidence=(
                _spread(int(late.steps[-1]), apart / want, self.spread),
                _skill(trace.last_step, learnt, self.skill),
            ),
            since_step=since,
            confidence=(
                Confidence.HIGH
                if apart < 0.01 * self.spread * want
                else Confidence.MEDIUM
            ),
        )

    def _of_a_term(self, trace: Trace) -> Iterator[Finding]:
        """One finding if a term of the loss is left at what a constant gets."""
        learnt, want, since = term(trace)
        if not learnt.is_exact:
            raise Blind("the best constant predictor's loss is unknown")
        apart = middle(spread(trace, since).values)
        before = middle(spread(trace, since // 2, since - 1).values)
        if not learnt.is_none(self.skill) or not apart <= self.spread_of_term * want:
            return
        if not apart <= before:
            raise Blind("the outputs' spread still grows: a plateau that may end")
        yield self.finding(
            f"the term of the loss that compares outputs with targets is "
            f"{learnt.constant * (1 - learnt.value):.4g}, where the best constant has "
            f"{learnt.constant:.4g} (skill {learnt.value:.3f}, limit {self.skill:g}), "
            f"and outputs differ between samples by {apart / want:.1g} of the targets' "
            f"variance (limit {self.spread_of_term:g}): the other terms outweigh it; "
            "see how each is averaged",
            evidence=(
                _spread(trace.last_step, apart / want, self.spread_of_term),
                _skill(
                    trace.last_step, learnt, self.skill, "of one term of the loss; "
                ),
            ),
            since_step=0,
            severity=Severity.WARNING,
            confidence=Confidence.MEDIUM,
        )

    def _late(self, trace: Trace) -> int:
        """From where on the outputs count as late: the last quarter if it was sampled.

        Else the last three samples of the second half; beyond the end if there are
        fewer, so that nothing is late.
        """
        steps = trace.units(OUTPUT_MEAN, "").steps
        late = steps[steps >= late_step(trace)]
        if len(late) >= 3:
            return late_step(trace)
        half = steps[steps >= late_step(trace, 0.5)]
        return int(half[-3]) if len(half) >= 3 else trace.last_step + 1


def _spread(step: int, share: float, limit: float) -> Evidence:
    return Evidence(
        quantity="spread",
        site="",
        step=step,
        value=share,
        limit=limit,
        note="variance of the outputs between samples over the targets'",
    )


def _skill(step: int, learnt: Skill, limit: float, of: str = "") -> Evidence:
    return Evidence(
        quantity="skill",
        site="",
        step=step,
        value=learnt.value,
        limit=limit,
        note=f"{of}standard error {learnt.error:.2g}",
    )
