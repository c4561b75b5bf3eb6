"""DAT101 unscaled-input."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    INPUT_MEAN,
    INPUT_SQUARE,
    LOSS,
    SATURATED,
)
from reluctant.rules._base import Rule
from reluctant.rules._constant import skill, targets
from reluctant.rules._loss import sound
from reluctant.rules._optimizers import is_adaptive
from reluctant.rules.data._inputs import Trouble, features, trouble

_FLATTENS = ("cross-entropy", "nll", "bce", "bce-with-logits")


@dataclass(frozen=True)
class UnscaledInput(Rule):
    """The inputs are so large, or so small, that the training does not bear it.

    ## Why it stops training
    The curvature along the first layer's weights grows with the square of its inputs,
    so the longest stable step shrinks with it: pixels from 0 to 255 allow a step some
    ten thousand times shorter than pixels from 0 to 1. Inputs that are far from zero
    compared with their spread leave units always on or always off. Inputs that are tiny
    starve the first layer.

    ## How it is measured
    The root mean square of the inputs over all features, at sampled steps, and harm:
    what too long a step does to a network, or a network that learns nothing. The inputs
    are to blame if the same step on inputs of unit scale would not be past its limit:
    the gauge at the start, divided by the mean square of the inputs (by the root of it
    for optimizers that scale their own steps), is below 2. Two signs at the start tell
    of large inputs besides: a cross-entropy far above the best constant's, which is how
    outputs look that are as large as the inputs, and a first layer that sits at its
    flat ends. Inputs of any scale that a network learns from are no finding.

    ## Sick
    ```python
    x = 300 * x
    ```

    ## Healthy
    ```python
    x = 1 * x
    ```

    ## Blind spots
    Inputs other than the first tensor argument of the model. Whole numbers, such as
    token ids, have no scale.

    ## Options
    - `large`: Root mean square from which on inputs count as large. Standardized ones
      have 1; habits such as features of some tens are borne by most networks.
    - `small`: From which on they count as small.
    - `past`: Where a step was too long, the gauge at the start from which on it is the
      inputs' fault: below that, a tenth of the learning rate would do.
    - `thrown`: The loss at the start over the best constant's from which on the outputs
      follow the scale of the inputs. Networks start below 2, whatever scheme drew them.
    - `flat`: Share of positions of the first layer that are flat at the start. Ordinary
      tanh and sigmoid networks start below 0.05.
    - `slow`: A network whose first layer starts flat must stay below this skill.
    - `skill`: What counts as having learnt something.
    - `min_steps`: How many steps a network is given to learn something.

    ## References
    - [LeCun1998] Efficient BackProp, on normalizing the inputs.
    """

    large: float = 10.0
    small: float = 0.01
    past: float = 20.0
    thrown: float = 5.0
    flat: float = 0.7
    slow: float = 0.5
    skill: float = 0.02
    min_steps: int = 100

    code = "DAT101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, INPUT_MEAN, INPUT_SQUARE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the scale of the inputs explains the harm."""
        seen = features(trace)
        scale = seen.overall
        if not (scale >= self.large or 0 < scale <= self.small):
            return
        # a first layer that is flat from the start explains more than a step's length
        found = self._flat(trace) if scale >= self.large else None
        found = found or trouble(trace, level=self.skill, min_steps=self.min_steps)
        if found is None:
            return
        power = 1 if is_adaptive(trace) else 2
        after = found.gauge / scale**power
        if scale >= self.large and np.isfinite(after):
            if after >= 2:
                return  # the step would be too long on any inputs
            if found.largest < self.past and not self._is_thrown(trace):
                return  # a somewhat shorter step is all that is needed: STP101
        tells = (
            f"; the gauge at the start would be {after:.2g} on inputs of unit scale"
            if np.isfinite(after)
            else ""
        )
        yield self.finding(
            f"the inputs have a root mean square of {scale:.3g} (limits {self.small:g} "
            f"and {self.large:g}), mean {seen.mean.mean():.3g}; {found.text}{tells}",
            evidence=(
                Evidence(
                    quantity=INPUT_SQUARE.name,
                    site="",
                    step=trace.last_step,
                    value=scale,
                    limit=self.large if scale >= self.large else self.small,
                    note="root mean square over all features",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH if np.isfinite(after) else Confidence.MEDIUM,
        )

    def _is_thrown(self, trace: Trace) -> bool:
        """Whether the loss starts far above that of the best constant.

        A squared error has a gauge that tells as much. One that flattens where outputs
        are sure of themselves has hardly any curvature there.
        """
        if trace.setup.loss is None or trace.setup.loss.kind not in _FLATTENS:
            return False
        constant = targets(trace).loss
        start = trace.series(LOSS).values[:1]
        return bool(start.size and start[0] > self.thrown * constant > 0)

    def _flat(self, trace: Trace) -> Trouble | None:
        """Whether the first layer starts flat and little is learnt."""
        if trace.last_step + 1 < self.min_steps or not trace.setup.layers:
            return None
        first = trace.setup.layers[0].site
        start = trace.units(SATURATED, first).values[:1]
        learnt = skill(sound(trace))
        if not start.size or not learnt.is_exact or learnt.value >= self.slow:
            return None
        share = float(np.nanmean(start))
        if not share > self.flat:
            return None
        text = (
            f"{share:.0%} of {first} is flat from the start (limit {self.flat:.0%}), "
            f"and the skill is {learnt.value:.2f}"
        )
        return Trouble(text, 0, np.nan, np.nan)
