"""DAT102 skewed-input."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import INPUT_MEAN, INPUT_SQUARE, INPUT_TAIL, LOSS
from reluctant.rules._base import Rule
from reluctant.rules._constant import skill
from reluctant.rules.data._inputs import features, trouble


@dataclass(frozen=True)
class SkewedInput(Rule):
    """Some inputs are many times larger than others, and the training suffers.

    ## Why it stops training
    The largest feature sets the longest stable step, and the others then learn at a
    rate that is smaller by the square of the ratio: what they say is as good as not
    heard. With a step that is right for the others, the largest one makes it diverge.
    Within one feature it is the same: where a few samples lie a hundred times as far
    out as the rest, incomes or counts, the rest is all one number to the network.

    ## How it is measured
    The root mean square of each feature over all samples seen, the largest against the
    median. Or, in the median feature, the share of a batch's spread that its farthest
    sample makes up alone; of normal numbers that is a tenth. And harm: what too long a
    step does, or a network that has learnt little.

    ## Sick
    ```python
    x[:, 0] *= 3000
    ```

    ## Healthy
    ```python
    x[:, 0] *= 1
    ```

    ## Blind spots
    Only the first tensor argument of the model is seen. Images are seen by channel.
    Features that are mostly one number, such as flags and counts of words, are taken
    to have no tail.

    ## Options
    - `ratio`: How many times the median the largest feature must be. At 30 the slowest
      direction takes a thousand times as long.
    - `large`: The largest feature must also exceed this: bag-of-words counts and sparse
      features differ among themselves, and stay small.
    - `few`: Share of features that may be as large; if more are, none sticks out, and
      DAT101 says so.
    - `tail`: Share of a feature's spread in a batch that its farthest sample makes up.
    - `past`: Where a step was too long, the gauge at the start from which on it is the
      inputs' fault: below that, a tenth of the learning rate would do.
    - `skill`: Below this the network has learnt little.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [LeCun1998] Efficient BackProp, on normalizing the inputs.
    """

    ratio: float = 30.0
    large: float = 10.0
    few: float = 0.25
    tail: float = 0.5
    past: float = 20.0
    skill: float = 0.3
    min_steps: int = 100

    code = "DAT102"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, INPUT_MEAN, INPUT_SQUARE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if one feature outweighs the others."""
        rms = features(trace).rms
        alive = rms[rms > 0]
        if alive.size < 2:
            return
        largest, middle = float(alive.max()), float(np.median(alive))
        if alive.size == 2:
            middle = float(alive.min())
        tails = trace.series(INPUT_TAIL).values
        tail = float(np.median(tails)) if len(tails) >= 3 else 0.0
        sticks_out = largest >= max(self.ratio * middle, self.large)
        # not a few that stick out: DAT101
        sticks_out = sticks_out and (alive >= self.large).mean() <= self.few
        if not sticks_out and not tail > self.tail:
            return
        found = trouble(trace, level=0.02, min_steps=self.min_steps)
        learnt = skill(trace)
        is_slow = (
            learnt.is_exact
            and learnt.value < self.skill
            and trace.last_step + 1 >= self.min_steps
        )
        if found is None and not is_slow:
            return
        if found and found.largest < self.past:
            return  # a somewhat shorter step is all that is needed: STP101
        text = (
            found.text if found else f"skill {learnt.value:.2f} (limit {self.skill:g})"
        )
        said = (
            f"input feature {int(rms.argmax())} has a root mean square of "
            f"{largest:.3g}, {largest / middle:.3g} times the median of {alive.size} "
            f"features (limit {self.ratio:g})"
        )
        quantity, value, limit = INPUT_SQUARE.name, largest / middle, self.ratio
        note = "largest feature over the median"
        if not sticks_out:
            said = (
                f"in the median of {alive.size} input features one sample alone makes "
                f"up {tail:.0%} of a batch's spread (limit {self.tail:.0%}), so the "
                f"others are nearly one number; a logarithm would tell them apart"
            )
            quantity, value, limit = INPUT_TAIL.name, tail, self.tail
            note = "share of the farthest sample, median over features and batches"
        yield self.finding(
            f"{said}; {text}",
            evidence=(
                Evidence(
                    quantity=quantity,
                    site="",
                    step=trace.last_step,
                    value=value,
                    limit=limit,
                    note=note,
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH if found else Confidence.MEDIUM,
        )
