"""LOP101 gradients-not-zeroed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_KEPT
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class GradientsNotZeroed(Rule):
    """Each step adds the gradients of all the steps before it.

    ## Why it stops training
    `backward` adds to `.grad`. Without `zero_grad` the optimizer walks along the sum of
    every gradient since the first step: momentum 1 that never forgets. The step grows
    with time and keeps its direction long after the loss has turned.

    ## How it is measured
    At each sampled step: whether the gradients that the last step applied were still
    there, the same tensors with the same content, when `backward` began. Batches that
    are added up on purpose between two steps do not count, for the first of them starts
    from zero.

    ## Sick
    ```python
    zero_grad = lambda optimizer: None
    ```

    ## Healthy
    ```python
    zero_grad = lambda optimizer: optimizer.zero_grad()
    ```

    ## Blind spots
    A loop that zeroes only some of its parameters is seen only where the kept ones are
    among those looked at.

    ## Options
    - `share`: Share of the samples that must show it. Not all, for a loop may zero its
      gradients once an epoch, which is the same mistake.
    - `min_samples`: How many samples after the first step it takes.

    ## References
    - [PyTorchZeroGrad] torch.optim.Optimizer.zero_grad.
    """

    share: float = 0.8
    min_samples: int = 3

    code = "LOP101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (GRAD_KEPT,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if gradients outlive the step that applied them."""
        steps, values = trace.series(GRAD_KEPT)
        keep = (steps > 0) & np.isfinite(values)
        steps, kept = steps[keep], values[keep] > 0
        if len(kept) < self.min_samples:
            raise Blind(f"{len(kept)} samples of grad_kept, {self.min_samples} needed")
        share = float(kept.mean())
        if share < self.share:
            return
        first = int(steps[np.argmax(kept)])
        count = f"{kept.sum()} of {len(kept)} sampled steps"
        yield self.finding(
            f"backward() began on the last step's gradients in {count} "
            f"(limit {self.share:.0%}), since step {first}",
            evidence=(
                Evidence(
                    quantity=GRAD_KEPT.name,
                    site="",
                    step=first,
                    value=share,
                    limit=self.share,
                    note=count,
                ),
            ),
            since_step=first,
            confidence=Confidence.HIGH if kept.all() else Confidence.MEDIUM,
        )
