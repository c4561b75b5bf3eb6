"""STP201 divergence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._loss import course
from reluctant.rules._notes import fed_nonfinite
from reluctant.rules._rise import rise


@dataclass(frozen=True)
class Divergence(Rule):
    """The loss rises for good, or until it is no number any more.

    ## Why it stops training
    Each step makes the next one worse: the weights move to where gradients are larger,
    larger gradients make longer steps. A constant output would now do better.

    ## How it is measured
    The loss in fifty stretches, the median of each. The last fifth of them must lie
    above the level at the start by `factor`, by more than the loss had ever fallen
    below it, and above what the best constant predictor gets on the same targets. A
    loss that is nan at the end must have grown by `factor` before that.

    ## Sick
    ```python
    lr, loss, y = 0.5, F.mse_loss, F.one_hot(y, 4).float()
    ```

    ## Healthy
    ```python
    lr, loss, y = 0.05, F.mse_loss, F.one_hot(y, 4).float()
    ```

    ## Blind spots
    Where loss or targets are of an unknown kind, the loss must grow ten times as far:
    in reinforcement learning and in adversarial games it may rise by design. A run that
    explodes and then settles at the best constant has not diverged; HED101 and STP101
    see that one.

    ## Options
    - `factor`: How far above its start a loss must end. Ordinary fluctuation between
      minibatches stays below 2 once medians are taken.
    - `min_steps`: How long it must stay up there. Catapults, which spike and then train
      better, are over sooner [Lewkowycz2020].

    ## References
    - [Lewkowycz2020] The large learning rate phase of deep learning.
    """

    factor: float = 2.0
    min_steps: int = 10

    code = "STP201"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the loss rose for good."""
        run = course(trace)
        if len(run.values) < self.min_steps and run.broke < 0:
            raise Blind(f"{len(run.values)} losses, {self.min_steps} needed")
        if not run.values.size or (run.broke >= 0 and fed_nonfinite(trace)):
            return
        up = rise(trace, factor=self.factor, min_steps=self.min_steps)
        if up is None:
            return
        end = "inf" if math.isinf(up.late) else f"{up.late:.3g}"
        limit = self.factor * abs(run.start)
        yield self.finding(
            f"the loss rises from {run.start:.3g} to {end} (limit {limit:.3g}) since "
            f"step {up.step}, {up.decades_per_step:.2g} decades a step at first; its "
            f"best level was {up.best:.3g}",
            evidence=(
                Evidence(
                    quantity=LOSS.name,
                    site="",
                    step=int(run.steps[-1]),
                    value=up.late,
                    limit=limit,
                    note=f"best level {up.best:.3g}, peak {run.values.max():.3g} at "
                    f"step {up.peak_step}",
                ),
            ),
            since_step=up.step,
            confidence=(
                Confidence.HIGH if up.late > 10 * abs(run.start) else Confidence.MEDIUM
            ),
        )
