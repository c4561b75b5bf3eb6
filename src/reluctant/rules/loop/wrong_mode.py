"""LOP301 wrong-mode."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    EVALUATED_TRAINING,
    EVALUATION_INPUTS,
    EVALUATION_PASSES,
    EVALUATION_SAMPLES,
    EVALUATION_TRAINING,
    LOSS,
    MODEL_TRAINING,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._batches import is_full_batch


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
    frozen norms of a trained body, are not. And the mode while the script evaluates: of
    the batch norms while it computes losses without gradients, and, under `reluctant
    run`, of dropouts and batch norms in passes of the model without gradients that come
    after a stretch of ten steps or more without any, whether a loss is computed or
    only what is right is counted. A finding where all of them are in training mode in
    all evaluations. A dropout inside of an attention or of a recurrent layer counts;
    one in a frozen part, or with p = 0, does not.

    Some passes in training mode are meant, and no evaluation: those between single
    steps (a teacher's targets, a generator's fakes, an actor's moves), those before the
    first step, many of one input (samples of a prediction), those of the batch that was
    just trained on, those that compute a norm's statistics anew, those of a copy, and
    those of networks that are trained in turn.

    ## Sick
    ```python
    model.insert(2, nn.Dropout(0.1)); model.eval()
    ```

    ## Healthy
    ```python
    model.insert(2, nn.Dropout(0.1)); model.train()
    ```

    ## Blind spots
    Functional dropout with a flag of its own. Evaluations with gradients on, by calls
    with keywords only, of a compiled model, or in batches of a few where those of the
    training are large. Where two lines are put around a loop, evaluations whose loss
    is not handed over.

    ## Options
    - `min_samples`: How many of the last sampled steps must have been so.
    - `min_evaluations`: How many evaluations must have been so; of those without a
      loss, one is enough at the very end.
    - `repeats`: Passes for each input from which on they are samples of a prediction;
      who computes a loss and counts what is right makes two.
    - `few`: Samples a pass from which on several are an evaluation; half of a training
      batch, if that is less.

    ## References
    - [PyTorchModule] torch.nn.Module: train and eval.
    """

    min_samples: int = 3
    min_evaluations: int = 2
    repeats: float = 3.0
    few: int = 10

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
        if (trace.series(EVALUATION_TRAINING).values < 1).any():
            return  # others are in the right mode: this one may be meant
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

    def _passed(self, trace: Trace) -> Iterator[Finding]:
        """A finding if the model never left training mode where it is evaluated."""
        steps, share = trace.series(EVALUATION_TRAINING)
        if not len(share) or not (share == 1).all():  # nan is part of the training
            return
        passes, inputs, samples = (
            trace.series(q).values
            for q in (EVALUATION_PASSES, EVALUATION_INPUTS, EVALUATION_SAMPLES)
        )
        if not len(passes) == len(inputs) == len(samples) == len(share):
            return
        if (passes >= self.repeats * inputs).any():
            return
        size = trace.setup.batch_size
        # an actor's moves come one, or a few, at a time
        several = (inputs > 1) & (samples >= min(self.few, size / 2))
        # less than a batch may be what is left at the end of an epoch
        other = (samples != size) if is_full_batch(trace) else (samples > size)
        is_one = several | other
        count = int(is_one.sum())
        is_last = bool(is_one[-1]) and int(steps[-1]) == trace.last_step
        limit = 1 if is_last and count < self.min_evaluations else self.min_evaluations
        if count < limit:
            return
        yield self.finding(
            f"all dropout and batch-norm modules were in training mode in {count} "
            f"{'evaluation' if count == 1 else 'evaluations'} (passes without "
            f"gradients; limit {limit}), and in none in "
            f"evaluation mode: what they tell is not what the trained model does",
            evidence=(
                Evidence(
                    quantity=EVALUATION_TRAINING.name,
                    site="",
                    step=int(steps[is_one][-1]),
                    value=1.0,
                    limit=0.0,
                    note=f"{count} evaluations, {int(passes.sum())} passes",
                ),
            ),
            since_step=int(steps[is_one][0]),
            confidence=Confidence.MEDIUM,
        )

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding for training, or evaluation, in the other one's mode."""
        if trace.last_step < 0:
            raise Blind("no step was taken")
        yield from list(self._evaluated(trace)) or self._passed(trace)
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
