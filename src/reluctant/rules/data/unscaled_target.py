"""DAT103 unscaled-target."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, OUTPUT_SQUARE, TARGET_SQUARE
from reluctant.rules._base import Blind, Rule
from reluctant.rules._optimizers import is_adaptive
from reluctant.rules.data._inputs import trouble


@dataclass(frozen=True)
class UnscaledTarget(Rule):
    """The targets are so large that the network does not get there, or flies apart.

    ## Why it stops training
    A network starts with outputs around 1. Adam moves each weight by its learning rate
    a step, whatever the error is, so that targets of thousands are out of reach for as
    many steps. Plain gradient descent takes steps in proportion to the error instead,
    and the first ones throw the weights to where the curvature forbids any more.

    ## How it is measured
    The root mean square of the targets of a squared, absolute or Huber error, the same
    of the outputs late in the run, and a network that learns nothing, or is harmed by
    too long a step.

    ## Sick
    ```python
    lr = 0.002
    loss = lambda outputs, y: F.mse_loss(outputs[:, 0], 3000.0 * y)
    ```

    ## Healthy
    ```python
    lr = 0.002
    loss = lambda outputs, y: F.mse_loss(outputs[:, 0], 0.9 * y)
    ```

    ## Blind spots
    Losses of unknown kind, whose targets cannot be seen.

    ## Options
    - `large`: Root mean square from which on targets count as large: thirty times what
      a network starts with.
    - `limit`: Of the step gauge at the start; past it the step of a linear model is to
      blame, whose curvature does not depend on the targets.
    - `skill`: What counts as having learnt something.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [LeCun1998] Efficient BackProp, on the choice of target values.
    """

    large: float = 30.0
    limit: float = 2.0
    skill: float = 0.02
    min_steps: int = 100

    code = "DAT103"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_SQUARE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the scale of the targets explains the harm."""
        loss = trace.setup.loss
        if loss is None:
            raise Blind("no loss was seen with its graph")
        if loss.kind not in ("mse", "l1", "huber"):
            return
        scale = _rms(trace, TARGET_SQUARE.name)
        if not np.isfinite(scale):
            raise Blind("the targets cannot be seen")
        if scale < self.large:
            return
        found = trouble(trace, level=self.skill, min_steps=self.min_steps)
        if found is None:
            return
        if found.gauge >= self.limit and len(trace.setup.layers) == 1:
            return  # too long on any targets: a linear model's curvature has none
        got = _rms(trace, OUTPUT_SQUARE.name, late=True)
        if is_adaptive(trace) and got > 0.7 * scale:
            return  # it has got there; something else is wrong
        yield self.finding(
            f"the targets have a root mean square of {scale:.3g} (limit "
            f"{self.large:g}), "
            f"the outputs late in the run {got:.3g}; {found.text}",
            evidence=(
                Evidence(
                    quantity=TARGET_SQUARE.name,
                    site="",
                    step=trace.last_step,
                    value=scale,
                    limit=self.large,
                    note="root mean square of the targets",
                ),
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )


def _rms(trace: Trace, name: str, *, late: bool = False) -> float:
    known = {TARGET_SQUARE.name: TARGET_SQUARE, OUTPUT_SQUARE.name: OUTPUT_SQUARE}
    steps, values = trace.units(known[name], "")
    if late and steps.size:
        values = values[steps >= trace.last_step * 0.75]
    values = values[np.isfinite(values).all(axis=1)] if values.ndim == 2 else values
    if not values.size:
        return float("nan")
    # but the largest batch: one unlike all others is STP501's
    sizes = np.sort(values.mean(axis=1))
    return float(np.sqrt(sizes[: max(1, len(sizes) - 1)].mean()))
