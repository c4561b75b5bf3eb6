"""NUM302 scaler-skips."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_SCALE, LOSS, STEP_SKIPPED
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class ScalerSkips(Rule):
    """The gradient scaler leaves out most of the steps: called, but not taken.

    ## Why it stops training
    A scaler that meets inf or nan in the gradients does not call the optimizer, and
    halves its scale instead. Skips at the start are how it finds its scale. Where the
    gradients are no numbers at any scale it goes on so for ever: the loop runs, no
    error is raised, and no weight moves.

    ## How it is measured
    A second loss without a step of the optimizer between, and a scale that fell in the
    meantime. The share of such steps behind the first `ordinary` ones. From its usual
    start of 2¹⁶ a scaler comes below `scale` after seventeen skips; there it enlarges
    nothing any more, so that what is no number is none by itself.

    ## Sick
    ```python
    root = lambda z: z + (0 * z).sqrt()
    model.append(type("Root", (nn.Module,), {"forward": lambda s, z: root(z)})())
    scaler = torch.amp.GradScaler("cpu")
    ```

    ## Healthy
    ```python
    root = lambda z: z + (0 * z + 1).sqrt()
    model.append(type("Root", (nn.Module,), {"forward": lambda s, z: root(z)})())
    scaler = torch.amp.GradScaler("cpu")
    ```

    ## Blind spots
    Fused optimizers, which are called and leave the step out themselves. On a device
    the scale is read at sampled steps alone.

    ## Options
    - `share`: Share of steps left out from which on it is a finding. A scaler that
      grows every 2,000 steps leaves out one in 2,000.
    - `most`: From so many on it is an error.
    - `ordinary`: Steps at the start that do not count.
    - `scale`: Below this the scale is not what makes gradients infinite.

    ## References
    - [Micikevicius2018] Mixed precision training.
    """

    share: float = 0.2
    most: float = 0.5
    ordinary: int = 20
    scale: float = 1.0

    code = "NUM302"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if steps are left out long after the start."""
        steps, skipped = trace.series(STEP_SKIPPED)
        steps = steps[skipped == 1]
        if not len(steps):
            return
        behind = trace.last_step + 1 - self.ordinary
        if behind < self.ordinary:
            raise Blind(
                f"{trace.last_step + 1} steps, {2 * self.ordinary} needed where a "
                "scaler leaves some out"
            )
        late = steps[steps >= self.ordinary]
        share = len(late) / behind
        if share < self.share:
            return
        scales = trace.series(GRAD_SCALE).values
        scales = scales[np.isfinite(scales)]
        last = float(scales[-1]) if scales.size else float("nan")
        yield self.finding(
            f"the gradient scaler left out {len(steps)} of {trace.last_step + 1} steps "
            f"({share:.0%} of those behind step {self.ordinary}, limit "
            f"{self.share:.0%}); its scale has come to {last:.3g}",
            evidence=(
                Evidence(
                    quantity=STEP_SKIPPED.name,
                    site="",
                    step=int(steps[-1]),
                    value=share,
                    limit=self.share,
                    note=f"share of the steps behind step {self.ordinary}",
                ),
                Evidence(
                    quantity=GRAD_SCALE.name,
                    site="",
                    step=int(steps[-1]),
                    value=last,
                    limit=self.scale,
                    note="below it, gradients are no numbers by themselves",
                ),
            ),
            since_step=int(steps[0]),
            severity=Severity.ERROR if share >= self.most else Severity.WARNING,
            confidence=(
                Confidence.HIGH
                if share >= self.most or last < self.scale
                else Confidence.MEDIUM
            ),
        )
