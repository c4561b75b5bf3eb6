"""DAT202 unshuffled."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, TARGET_COUNT
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class Unshuffled(Rule):
    """Batches hold one class at a time.

    ## Why it stops training
    Data that lie sorted by class are shown class by class. The network learns to give
    the class of the hour, whatever the input, and forgets it for the next one.

    ## How it is measured
    The classes in each sampled batch: the share of its most frequent one, against the
    share that the most frequent class has over all batches. In shuffled data the two
    are alike but for chance.

    ## Sick
    ```python
    order = lambda n: y.argsort()
    ```

    ## Healthy
    ```python
    order = lambda n: torch.randperm(n)
    ```

    ## Blind spots
    Sorted targets of a regression. Batches of fewer than `min_batch` samples.

    ## Options
    - `share`: Share of its most frequent class from which on a batch is of one class.
    - `overall`: The most frequent class may have at most this share of all samples.
    - `batches`: Share of batches that must be so.
    - `min_samples`: How many batches must have been sampled.
    - `min_batch`: Smaller batches say nothing.

    ## References
    - [Bengio2012] Practical recommendations for gradient-based training, on shuffling.
    """

    share: float = 0.9
    overall: float = 0.7
    batches: float = 0.7
    min_samples: int = 6
    min_batch: int = 4

    code = "DAT202"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if most batches are of one class."""
        _, counts = trace.units(TARGET_COUNT, "")
        if counts.ndim != 2 or not counts.size:
            return  # no classes
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
