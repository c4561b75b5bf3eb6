"""LOP301 wrong-mode."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, MODEL_TRAINING
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class WrongMode(Rule):
    """The model trains in evaluation mode.

    ## Why it stops training
    After `model.eval()` dropout lets everything pass, and batch norm uses, and no
    longer updates, its running statistics. A loop that evaluates once an epoch and does
    not call `model.train()` again goes on without either: it overfits as if there were
    no dropout, and its batch norm drifts away from the data.

    ## How it is measured
    The mode of every dropout and batch-norm module at each sampled training step. All
    of them in evaluation mode late in the run is the finding. Some of them, such as the
    frozen norms of a trained body, are not.

    ## Sick
    ```python
    model.insert(2, nn.Dropout(0.1)); model.eval()
    ```

    ## Healthy
    ```python
    model.insert(2, nn.Dropout(0.1)); model.train()
    ```

    ## Blind spots
    Functional dropout with a flag of its own. Evaluation in training mode, which is not
    part of a training step.

    ## Options
    - `min_samples`: How many of the last sampled steps must have been so.

    ## References
    - [PyTorchModule] torch.nn.Module: train and eval.
    """

    min_samples: int = 3

    code = "LOP301"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the last sampled steps ran in evaluation mode."""
        if trace.last_step < 0:
            raise Blind("no step was taken")
        steps, share = trace.series(MODEL_TRAINING)
        keep = np.isfinite(share)
        steps, share = steps[keep], share[keep]
        if not len(steps):
            return  # no module has modes
        off = share == 0
        run = len(off) if off.all() else int(np.argmin(off[::-1]))
        if run == 0:
            return
        if run < self.min_samples:
            raise Blind(f"{run} samples in evaluation mode, {self.min_samples} needed")
        since = int(steps[-run])
        before = (
            "from the first step on"
            if off.all()
            else f"since step {since}, before that in training mode"
        )
        yield self.finding(
            f"all dropout and batch-norm modules were in evaluation mode in the last "
            f"{run} sampled training steps (limit {self.min_samples}), {before}",
            evidence=(
                Evidence(
                    quantity=MODEL_TRAINING.name,
                    site="",
                    step=int(steps[-1]),
                    value=0.0,
                    limit=1.0,
                    note=before,
                ),
            ),
            since_step=since,
            confidence=Confidence.MEDIUM if off.all() else Confidence.HIGH,
        )
