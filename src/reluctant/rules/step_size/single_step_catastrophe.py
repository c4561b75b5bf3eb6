"""STP501 single-step-catastrophe."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import INPUT_SQUARE, LOSS, TARGET_SQUARE
from reluctant.rules._base import Blind, Rule
from reluctant.rules._gauge import pairs
from reluctant.rules._harm import harms


@dataclass(frozen=True)
class SingleStepCatastrophe(Rule):
    """One batch broke a training that was going well.

    ## Why it stops training
    A single sample far from all others, or a target that is off by orders of magnitude,
    makes one gradient so large that one step throws the weights away. What comes after
    looks like any training that diverged or died; what came before did not.

    ## How it is measured
    A loss many times the level of the steps before it, all at once, in a training whose
    loss had not risen and whose step gauge was below its limit; and harm that sets in
    right there: units that fall silent, a loss that stays up or is no number. In the
    first steps the loss has no level yet; there the batch itself must stand out, its
    inputs or targets far larger than those of all others.

    ## Sick
    ```python
    x[1] *= -1e3
    ```

    ## Healthy
    ```python
    x[1] *= -1
    ```

    ## Blind spots
    An outlier in the very first step. Steps that were not recorded.

    ## Options
    - `jump`: How many times its level the loss must be at that step, and ten times the
      largest of those steps: the losses of single samples differ by as much.
    - `limit`: Of the step gauge before; past it the step is to blame, not the batch.
    - `level`: Steps that the level is taken over.
    - `within`: Steps after which the harm must have set in.
    - `skill`: What counts as having learnt something.

    ## References
    - [Zhang2020] Why are adaptive methods good for attention models? On noise with
      heavy tails.
    """

    jump: float = 30.0
    limit: float = 2.0
    level: int = 20
    within: int = 5
    skill: float = 0.02

    code = "STP501"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with the step that broke the training."""
        steps, values = trace.series(LOSS)
        if len(values) < self.level:
            raise Blind(f"{len(values)} losses, {self.level} needed")
        found = self._early(trace, steps, values) or self._jump(values)
        if found is None:
            return
        at, before = found
        step = int(steps[at])
        if _have_moved(trace, step):
            return  # all batches ask for something else from here on, not this one
        at_gauge, gain, curvature = pairs(trace)
        early = at_gauge < step
        if early.any():
            ratios = curvature[early][-3:] / np.maximum(
                np.abs(gain[early][-3:]), 1e-300
            )
            if float(np.median(ratios)) > self.limit:
                return  # the step was too long before
        harm = [
            h
            for h in harms(trace, level=self.skill)
            if h.step >= step - 1 and h.step <= step + self.within + self.level
        ]
        after = values[at + 1 : at + 1 + self.level]
        late = _middle(after)
        end = _middle(values[max(at + 1, len(values) - self.level) :])
        # a spike that a converged run comes back from, to what is next to nothing of
        # its first loss, is none
        low = max(3 * before, 0.02 * abs(float(values[0])))
        is_back = late <= low or end <= low
        stays = after.size > 0 and not is_back
        if not harm and not stays:
            return
        text = harm[0].text if harm else f"the loss stays at {late:.3g}"
        yield self.finding(
            f"the loss is {values[at]:.3g} at step {step}, {values[at] / before:.0f} "
            f"times "
            f"the {before:.3g} of the steps before (limit {self.jump:g}): that batch "
            f"holds "
            f"something unlike all others; {text}",
            evidence=(
                Evidence(
                    quantity=LOSS.name,
                    site="",
                    step=step,
                    value=float(values[at] / before),
                    limit=self.jump,
                    note="times the median of the steps before",
                ),
            ),
            since_step=step,
            confidence=Confidence.HIGH if early.any() else Confidence.MEDIUM,
        )

    def _early(
        self, trace: Trace, steps: np.ndarray, values: np.ndarray
    ) -> tuple[int, float] | None:
        """The loss of an early batch that is unlike all others, and that before it."""
        for quantity in (TARGET_SQUARE, INPUT_SQUARE):
            at, squares = trace.units(quantity, "")
            if squares.ndim != 2 or len(squares) < self.level // 2:
                continue
            sizes = np.nan_to_num(squares, nan=0.0).mean(axis=1)
            usual = float(np.median(sizes))
            for step in at[(sizes > self.jump**2 * usual) & (usual > 0)][:1]:
                place = int(np.searchsorted(steps, step))
                if not 0 < place < min(self.level // 2, len(values)):
                    continue
                before = float(np.median(values[:place]))
                if values[place] > self.jump * abs(before):
                    return place, before
        return None

    def _jump(self, values: np.ndarray) -> tuple[int, float] | None:
        """The first loss far above the level before it, and that level."""
        start = _middle(values[: max(3, self.level // 4)])
        for at in range(self.level // 2, len(values)):
            window = values[max(0, at - self.level) : at]
            before = float(np.median(window))
            if not np.isfinite(before) or before > 1.5 * abs(start) or before <= 0:
                return None
            usual = max(before, 0.01 * abs(start), float(window.max()) / 3)
            if values[at] > self.jump * usual:
                return at, before
        return None


_NEAR = 8  # sampled batches on either side


def _have_moved(trace: Trace, step: int, times: float = 1.5) -> bool:
    """Whether targets are of another size after a step than before, for good.

    So it is where a network learns from a copy of itself that is renewed now and then.
    """
    at, squares = trace.units(TARGET_SQUARE, "")
    before, after = squares[at < step][-_NEAR:], squares[at > step][:_NEAR]
    if len(before) < 2 or len(after) < 2:
        return False
    before, after = before.mean(axis=1), after.mean(axis=1)
    low, high = sorted((float(np.median(before)), float(np.median(after))))
    chance = np.sqrt(before.var() / len(before) + after.var() / len(after))
    return bool(high > times * low and high - low > 3 * chance)


def _middle(values: np.ndarray) -> float:
    """Median of what is finite; nan of nothing."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")
