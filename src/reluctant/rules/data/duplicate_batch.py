"""DAT201 duplicate-batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import BATCH_MARK
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class DuplicateBatch(Rule):
    """Every step is shown the same batch, though there is more data.

    ## Why it stops training
    `next(iter(loader))` makes a new iterator each time, and a variable that a finished
    loop left behind keeps its last batch. The network learns these few samples by heart
    and never sees the others; its loss looks better than ever.

    ## How it is measured
    A number made of all entries of the first input, the same for the same batch, at
    each sampled step. That there is more data is seen from a DataLoader whose data set
    holds more samples than the batch; from other inputs earlier in the run; or from a
    tensor of the program's that holds the batch and at least three times as many other
    samples, where the batch has a size that people give to batches, a power of two.
    Training on all data at once is ordinary, so without such a sign it is a note.

    ## Sick
    ```python
    seen = []
    order = lambda n: torch.arange(n)[: seen.append(1) or (n if seen == [1] else 64)]
    ```

    ## Healthy
    ```python
    seen = []
    order = lambda n: torch.arange(n)[: seen.append(1) or (n if seen == [1] else n)]
    ```

    ## Blind spots
    Augmentation that changes the same few samples at every step. Data that the program
    no longer holds, or holds as arrays that are no tensors.

    ## Options
    - `min_samples`: How many sampled steps in a row must have seen one batch.

    ## References
    - [PyTorchData] torch.utils.data: a loader's iterator starts over.
    """

    min_samples: int = 6

    code = "DAT201"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (BATCH_MARK,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the last sampled steps all saw one batch."""
        steps, marks = trace.series(BATCH_MARK)
        keep = np.isfinite(marks)
        steps, marks = steps[keep], marks[keep]
        if len(marks) < self.min_samples:
            raise Blind(f"{len(marks)} batches were sampled, {self.min_samples} needed")
        same = marks == marks[-1]
        run = len(same) if same.all() else int(np.argmin(same[::-1]))
        if run < self.min_samples:
            return
        more = [note.text for note in trace.notes("data")]
        is_sure = bool(more) or not same.all()
        reason = (
            more[0]
            if more
            else (
                "other batches came before"
                if not same.all()
                else "which may be all there is"
            )
        )
        yield self.finding(
            f"the last {run} sampled steps were all shown the same batch (limit "
            f"{self.min_samples}), since step {int(steps[-run])}: {reason}",
            evidence=(
                Evidence(
                    quantity=BATCH_MARK.name,
                    site="",
                    step=int(steps[-1]),
                    value=float(run),
                    limit=float(self.min_samples),
                    note=reason,
                ),
            ),
            since_step=int(steps[-run]),
            severity=Severity.ERROR if is_sure else Severity.NOTE,
            confidence=(
                Confidence.LOW
                if not is_sure
                # a batch among other data might be all that training is to see
                else Confidence.MEDIUM
                if same.all() and "DataLoader" not in reason
                else Confidence.HIGH
            ),
        )
