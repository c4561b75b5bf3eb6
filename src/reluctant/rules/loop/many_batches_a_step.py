"""LOP102 many-batches-a-step."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, STEP_LOSSES
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._harm import harms
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class ManyBatchesAStep(Rule):
    """The gradients of many batches add up before a step is taken, and it suffers.

    ## Why it stops training
    `optimizer.step()` that stands one level too far out is called once an epoch. Its
    gradient is then the sum over all batches, so the step is as many times too long,
    and there are as many times fewer of them. Where batches are added up on purpose the
    loss is divided by their number.

    ## How it is measured
    How many losses were handed to `backward()` between two steps; whether they were
    divided before; and harm: what too long a step does, or a network that has learnt
    little.

    ## Sick
    ```python
    every, lr = 64, 0.1
    ```

    ## Healthy
    ```python
    every, lr = 1, 0.1
    ```

    ## Blind spots
    A few batches to a step are a habit, divided or not, and are not meant.

    ## Options
    - `batches`: Batches to a step from which on it is no habit. Accumulation makes up
      for memory and seldom goes beyond.
    - `skill`: Below this the network has learnt little.
    - `min_steps`: How many steps it is given for that; harm counts before.

    ## References
    - [PyTorchOptim] torch.optim: the order of a training step.
    """

    batches: int = 16
    skill: float = 0.5
    min_steps: int = 20

    code = "LOP102"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, STEP_LOSSES)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if undivided losses add up and do harm."""
        loss = trace.setup.loss
        if loss is None:
            raise Blind("no loss was seen with its graph")
        times = float(np.median(trace.series(STEP_LOSSES).values))
        if times < self.batches or loss.is_scaled:
            return
        part = sound(trace)
        found, learnt = harms(trace, level=0.02), skill(part)
        is_slow = learnt.value < self.skill and part.last_step + 1 >= self.min_steps
        if not found and not is_slow:
            return
        text = found[0].text if found else f"the skill is {learnt.value:.2f}"
        yield self.finding(
            f"{times:.0f} batches (limit {self.batches}) add up in every step, and "
            f"their losses are not divided by that; {text}",
            evidence=(
                Evidence(
                    quantity=STEP_LOSSES.name,
                    site="",
                    step=trace.last_step,
                    value=times,
                    limit=float(self.batches),
                    note="losses between two steps",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH if found else Confidence.MEDIUM,
        )
