"""DAT202 unshuffled."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    BATCH_MARK,
    DATA_BATCHES,
    LOSS,
    TARGET_COUNT,
    TARGET_MEAN,
    TARGET_SQUARE,
)
from reluctant.rules._base import Blind, Rule

_CHANCE = 4  # times what shuffled batches have: far more than chance, at any size
_FEW = 10  # sampled batches, of which a variance can be had
_EDGE = 0.05  # of an epoch: its beginning, and its end
_SHORT = 10  # batches an epoch; of fewer, the first ones are not forgotten
_RETURNS = 3  # batches that must have come back, for their spans to tell the epoch
_MOST = 0.8  # of the restarts must show it


@dataclass(frozen=True)
class Unshuffled(Rule):
    """Batches hold one class at a time, or one stretch of the targets.

    ## Why it stops training
    Data that lie sorted by class are shown class by class. The network learns to give
    the class of the hour, whatever the input, and forgets it for the next one. Data in
    order of time, or of anything else that the targets go with, do the same to a
    regression, less visibly.

    ## How it is measured
    Classes: in each sampled batch, the share of its most frequent one, against the
    share that the most frequent class has over all batches. In shuffled data the two
    are alike but for chance.

    Amounts, and the milder orders of classes: the share of the targets' variance that
    lies between batches. In shuffled batches of n it is 1/n. Order alone is no fault,
    but forgetting is: each time the data start over, the loss of the first batches lies
    well above that of the last ones before, as they have not been seen for an epoch.

    ## Sick
    ```python
    order = lambda n: y.argsort()
    ```

    ## Healthy
    ```python
    order = lambda n: torch.randperm(n)
    ```

    ## Blind spots
    Batches of fewer than `min_batch` samples. Amounts in order where neither the loader
    nor batches that come back tell how long an epoch is, or where fewer than
    `min_restarts` began. Data that come in order and whose first part is the harder one
    look like forgetting.

    ## Options
    - `share`: Share of its most frequent class from which on a batch is of one class.
    - `overall`: The most frequent class may have at most this share of all samples.
    - `batches`: Share of batches that must be so.
    - `min_samples`: How many batches must have been sampled.
    - `min_batch`: Smaller batches say nothing.
    - `between`: Share of the variance between batches from which on they are in order;
      shuffled batches of 16 have 0.06, and sampled ones rarely twice that.
    - `jump`: Factor by which the loss must rise when the data start over. Data in one
      random order for good, learnt by heart, reach 1.5.
    - `min_restarts`: Epochs that must have begun after the first.

    ## References
    - [Bengio2012] Practical recommendations for gradient-based training, on shuffling.
    """

    share: float = 0.9
    overall: float = 0.7
    batches: float = 0.7
    min_samples: int = 6
    min_batch: int = 4
    between: float = 0.3
    jump: float = 2.0
    min_restarts: int = 3

    code = "DAT202"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if most batches are of one class, or follow an order."""
        _, counts = trace.units(TARGET_COUNT, "")
        if counts.ndim != 2 or not counts.size:
            yield from self._in_order(trace)
            return
        counts = counts[np.isfinite(counts).all(1)]
        counts = counts[counts.sum(1) >= self.min_batch]
        if len(counts) < self.min_samples:
            raise Blind(
                f"{len(counts)} batches of {self.min_batch} samples and more, "
                f"{self.min_samples} needed"
            )
        pure = counts.max(1) / counts.sum(1) >= self.share
        pooled = counts.sum(0)
        overall = float(pooled.max() / pooled.sum())
        if pure.mean() < self.batches or overall > self.overall:
            yield from self._in_order(trace)
            return
        classes = int((pooled > 0).sum())
        yield self.finding(
            f"{pure.sum()} of {len(pure)} sampled batches hold one class (limit "
            f"{self.batches:.0%}), though {classes} classes come over time and none "
            f"has "
            f"more than {overall:.0%} of all samples",
            evidence=(
                Evidence(
                    quantity=TARGET_COUNT.name,
                    site="",
                    step=trace.last_step,
                    value=float(pure.mean()),
                    limit=self.batches,
                    note="share of batches of one class",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )

    def _in_order(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if batches differ beyond chance and are forgotten."""
        between = _between(trace)
        if not between >= max(self.between, _CHANCE / max(1, trace.setup.batch_size)):
            return
        jumps = _jumps(trace)
        if len(jumps) < self.min_restarts:
            return
        jump = float(np.median(jumps))
        if jump < self.jump or (jumps > 1).mean() < _MOST:
            return
        yield self.finding(
            f"{between:.0%} of the targets' variance lies between the batches (limit "
            f"{self.between:.0%}; {1 / trace.setup.batch_size:.0%} by chance): the "
            "data come in an order. Each time they start over, the loss is "
            f"{jump:.1f} times that of the batches before (median of {len(jumps)}; "
            f"limit {self.jump}): what an epoch began with is forgotten at its end",
            evidence=(
                Evidence(
                    quantity=TARGET_MEAN.name,
                    site="",
                    step=trace.last_step,
                    value=between,
                    limit=self.between,
                    note="share of the targets' variance between batches",
                ),
                Evidence(
                    quantity=LOSS.name,
                    site="",
                    step=trace.last_step,
                    value=jump,
                    limit=self.jump,
                    note="loss after the data start over, against before",
                ),
            ),
            since_step=0,
            severity=Severity.WARNING,
            confidence=Confidence.MEDIUM,
        )


def _between(trace: Trace) -> float:
    """Share of the targets' variance between sampled batches; nan if it is unknown."""
    _, counts = trace.units(TARGET_COUNT, "")
    if counts.ndim == 2 and counts.size:
        counts = counts[np.isfinite(counts).all(1) & (counts.sum(1) > 0)]
        means = squares = counts / counts.sum(1, keepdims=True)
    else:
        means, squares = (
            trace.units(q, "").values for q in (TARGET_MEAN, TARGET_SQUARE)
        )
        if means.shape != squares.shape or means.ndim != 2:
            return math.nan
        finite = np.isfinite(means).all(1) & np.isfinite(squares).all(1)
        means, squares = means[finite], squares[finite]
    if len(means) < _FEW:
        return math.nan
    variance = float(np.maximum(squares.mean(0) - means.mean(0) ** 2, 0).sum())
    return float(means.var(0).sum()) / variance if variance > 0 else math.nan


def _jumps(trace: Trace) -> NDArray[np.float64]:
    """The loss where an epoch begins over that where the last one ended, each time."""
    length = _epoch(trace)
    window = max(1, round(_EDGE * length))
    steps, losses = trace.series(LOSS)
    if length < _SHORT or not len(losses):
        return np.zeros(0)
    found = []
    for start in range(length, int(steps[-1]) + 2 - window, length):
        before = losses[(steps >= start - window) & (steps < start)]
        after = losses[(steps >= start) & (steps < start + window)]
        if before.size and after.size and (before > 0).all() and (after > 0).all():
            found.append(float(np.mean(after) / np.mean(before)))
    return np.array(found)


def _epoch(trace: Trace) -> int:
    """Batches of an epoch; 0 where it is unknown.

    A loop over slices tells no length, but in a fixed order the same batch comes back
    after one epoch, or after several.
    """
    batches = trace.series(DATA_BATCHES).values
    if batches.size:
        return int(batches[-1])
    last: dict[float, int] = {}
    spans = []
    for step, mark in zip(*(a.tolist() for a in trace.series(BATCH_MARK)), strict=True):
        if mark in last:
            spans.append(step - last[mark])
        last[mark] = step
    return math.gcd(*spans) if len(spans) >= _RETURNS else 0
