"""STP103 oscillating-loss."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, STEP_CURVATURE, STEP_GAIN
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._gauge import pairs
from reluctant.rules._loss import course
from reluctant.stats import ratio_of_means

_SAMPLES = 128  # that one level of the loss is taken over


@dataclass(frozen=True)
class OscillatingLoss(Rule):
    """The loss swings: what was learnt is lost again, and again.

    ## Why it stops training
    Steps that are too long for the steepest direction, or that momentum carries past
    the minimum, climb the other side. The swings need not grow; they cost time, and
    each of them may throw units out of the range of the data. Networks at the edge of
    stability swing too and get there, so this is a note, unless little is left at the
    end of what was learnt.

    ## How it is measured
    The loss in stretches of 128 samples, the median of each. A swing is a rise by
    `size` of all that the loss ever fell, and by six times the noise of one stretch,
    after a fall of that size. And the step gauge is not small, so that it is the step
    which swings, not the targets.

    ## Sick
    ```python
    momentum = 0.99
    x, model, loss, lr = torch.randn(1024, 32), nn.Linear(32, 4), F.mse_loss, 0.15
    y, optimizer = x[:, :4], lambda p, lr: torch.optim.SGD(p, lr, momentum)
    ```

    ## Healthy
    ```python
    momentum = 0.5
    x, model, loss, lr = torch.randn(1024, 32), nn.Linear(32, 4), F.mse_loss, 0.15
    y, optimizer = x[:, :4], lambda p, lr: torch.optim.SGD(p, lr, momentum)
    ```

    ## Blind spots
    Swings shorter than a stretch, and those of the data in their order.

    ## Options
    - `size`: Share of all that the loss fell.
    - `swings`: How many there must be: one is a catapult [Lewkowycz2020].
    - `gauge`: Of the whole run, below which the step is not what swings.
    - `skill`: Of the late loss, below which little is left: then it is a warning.
    - `fell`: Share of the start below which the loss must have come once.
    - `min_levels`: How many stretches there must be.

    ## References
    - [Cohen2021] Gradient descent on neural networks typically occurs at the edge of
      stability.
    - [Lewkowycz2020] The large learning rate phase of deep learning.
    """

    size: float = 0.25
    swings: int = 3
    gauge: float = 0.3
    skill: float = 0.25
    fell: float = 0.5
    min_levels: int = 20

    code = "STP103"
    severity = Severity.NOTE
    since = "0.1.0"
    needs = (LOSS, STEP_GAIN, STEP_CURVATURE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one note if the loss rose again and again."""
        run = course(trace)
        wide = max(2, math.ceil(_SAMPLES / max(1, trace.setup.batch_size)))
        count = len(run.values) // wide
        if count < self.min_levels:
            raise Blind(f"{count} stretches of the loss, {self.min_levels} needed")
        rows = run.values[: count * wide].reshape(count, wide)
        levels = np.median(rows, axis=1)
        # of one loss: how far it is from between its neighbors, which no swing is
        apart = np.abs(run.values[1:-1] - (run.values[:-2] + run.values[2:]) / 2)
        noise = 1.25 * 1.21 * float(np.median(apart)) / math.sqrt(wide)
        start, lowest = max(run.start, float(levels[0])), float(levels.min())
        if not lowest < self.fell * start or run.broke >= 0:
            return
        size = max(self.size * (start - lowest), 6 * noise)
        rises = _rises(levels, size)
        if len(rises) < self.swings:
            return
        _, gain, curvature = pairs(trace)
        ratio = ratio_of_means(np.abs(curvature), np.abs(gain)).value
        if not ratio >= self.gauge:
            return
        learnt = skill(trace)
        is_lost = learnt.is_exact and learnt.value < self.skill
        yield self.finding(
            f"the loss rose {len(rises)} times by {size:.3g} and more (limit "
            f"{self.swings} times {self.size:.0%} of all that it fell), from as low as "
            f"{lowest:.3g}; the step gauge is {ratio:.2g} over the run",
            evidence=(
                Evidence(
                    quantity=LOSS.name,
                    site="",
                    step=int(run.steps[rises[-1] * wide]),
                    value=float(len(rises)),
                    limit=float(self.swings),
                    note=f"rises by {size:.3g} and more",
                ),
            ),
            since_step=int(run.steps[rises[0] * wide]),
            severity=Severity.WARNING if is_lost else None,
            confidence=Confidence.MEDIUM,
        )


def _rises(levels: NDArray[np.float64], size: float) -> list[int]:
    """Where each rise by `size` was complete that had a fall by `size` before it."""
    found: list[int] = []
    turn, is_up = float(levels[0]), True
    for i, level in enumerate(levels.tolist()):
        if is_up:  # and waits for a fall
            turn = max(turn, level)
            if turn - level >= size:
                turn, is_up = level, False
        else:
            turn = min(turn, level)
            if level - turn >= size:
                found.append(i)
                turn, is_up = level, True
    return found
