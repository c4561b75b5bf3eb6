"""LOP301 wrong-mode."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import EVALUATED_TRAINING, LOSS, MODEL_TRAINING
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class WrongMode(Rule):
    """The model trains in evaluation mode, or is evaluated in training mode.

    ## Why it stops training
    After `model.eval()` dropout lets everything pass, and batch norm uses, and no
    longer updates, its running statistics. A loop that evaluates once an epoch and does
    not call `model.train()` again goes on without either: it overfits as if there were
    no dropout, and its batch norm drifts away from the data. An evaluation without
    `model.eval()` tells another number than the one that the trained model will reach,
    and lets batch norm learn the statistics of the held-out data.

    ## How it is measured
    The mode of every dropout and batch-norm module at each sampled training step. All
    of them in evaluation mode late in the run is the finding. Some of them, such as the
    frozen norms of a trained body, are not. And the mode of the batch norms while the
    script computes losses without gradients: a finding where it is training in all of
    its evaluations.

    ## Sick
    ```python
    model.insert(2, nn.Dropout(0.1)); model.eval()
    ```

    ## Healthy
    ```python
    model.insert(2, nn.Dropout(0.1)); model.train()
    ```

    ## Blind spots
    Functional dropout with a flag of its own. Dropout that stays on in an evaluation,
    which may be meant. Evaluations that compute no loss.

    ## Options
    - `min_samples`: How many of the last sampled steps must have been so.
    - `min_evaluations`: How many evaluations must have been so.

    ## References
    - [PyTorchModule] torch.nn.Module: train and eval.
    """

    min_samples: int = 3
    min_evaluations: int = 2

    code = "LOP301"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def _evaluated(self, trace: Trace) -> Iterator[Finding]:
        """A finding if all evaluations were in training mode."""
        sites = trace.sites(EVALUATED_TRAINING)
        shares = [trace.series(EVALUATED_TRAINING, site).values for site in sites]
        seen = np.concatenate(shares) if shares else np.zeros(0)
        if len(seen) < self.min_evaluations or not (seen == 1).all():
            return
        where = f" ({', '.join(s for s in sites if s)})" if any(sites) else ""
        yield self.finding(
            f"all batch-norm modules were in training mode in {len(seen)} evaluations"
            f"{where} (limit {self.min_evaluations}): call model.eval() before them, "
            f"and model.train() after",
            evidence=(
                Evidence(
                    quantity=EVALUATED_TRAINING.name,
                    site="",
                    step=trace.last_step,
                    value=1.0,
                    limit=0.0,
                    note=f"{len(seen)} evaluations",
                ),
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding for training, or evaluation, in the other one's mode."""
        if trace.last_step < 0:
            raise Blind("no step was taken")
        yield from self._evaluated(trace)
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
