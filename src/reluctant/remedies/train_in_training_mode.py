"""train-in-training-mode."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Trace, TrainMode
from reluctant.records.quantities import EVALUATED_TRAINING, EVALUATION_TRAINING
from reluctant.remedies._base import Remedy, measured


@dataclass(frozen=True)
class TrainInTrainingMode(Remedy):
    """Put the model into training mode before it trains.

    ## When it helps
    Batch norm that never sees a batch's own statistics normalizes by mean 0 and
    variance 1, which is nothing; dropout does nothing, either.

    ## When it hurts
    Where a frozen batch norm is meant, as in fine-tuning by small batches.

    ## What it changes
    The mode of all modules.

    ## References
    - [PyTorchModule] torch.nn.Module: train and eval.
    """

    treats = ()
    may_treat = ("LOP301",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Switch it on; no cure for an evaluation."""
        if measured(finding) in (EVALUATED_TRAINING.name, EVALUATION_TRAINING.name):
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(TrainMode(),),
            trust="safe",
            because="it trains in evaluation mode",
            patch="model.train()",
        )
