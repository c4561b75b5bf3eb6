"""fit-loss-to-targets."""

from dataclasses import dataclass

from reluctant.records import (
    EditSource,
    Finding,
    Prescription,
    SwapLoss,
    Trace,
    UnboundOutputs,
)
from reluctant.records.quantities import INPUT_DISTANCES, TARGET_MEDIAN_SHARE
from reluctant.remedies._base import Remedy, measured


@dataclass(frozen=True)
class FitLossToTargets(Remedy):
    """Measure the error by the loss that outputs and targets ask for.

    ## When it helps
    The loss wants log-probabilities and gets scores, compares every output with every
    target, takes yes and no for amounts, or sums over the batch what should be a mean.

    ## When it hurts
    Where the loss is unusual on purpose: then only its author knows what should stay.

    ## What it changes
    Classes are measured by cross-entropy, yes and no by the binary one, all else by
    the squared error, as means; targets are brought to the shape of the outputs. What
    bounded the outputs before comes off. Absolute errors of targets that are mostly
    one value, which is then their median, become squared ones.

    ## References
    - [PyTorchCrossEntropy] torch.nn.functional.cross_entropy.
    - [PyTorchNLL] torch.nn.functional.nll_loss.
    - [PyTorchMSE] torch.nn.functional.mse_loss.
    """

    treats = ("HED203", "HED401", "HED501")
    may_treat = ("NUM101",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap the loss; where only its reduction is wrong, only that."""
        if edit := _EDITS.get(measured(finding)):
            return Prescription(
                remedy=self.name(),
                cures=finding.code,
                changes=(edit,),
                trust="advice",
                because=f"in {edit.where}",
                patch=edit.after,
            )
        if measured(finding) == TARGET_MEDIAN_SHARE.name:
            return Prescription(
                remedy=self.name(),
                cures=finding.code,
                changes=(SwapLoss("mse"),),
                trust="invasive",
                because="most targets are one value, and the median is that value",
                patch="mse_loss(outputs, y)  # the mean; or ask first whether it is\n"
                "# the frequent value, and then how much",
            )
        loss = trace.setup.loss
        kind = loss.kind if loss else ""
        swap = SwapLoss("suited")
        if finding.code == "HED501" and kind in _SUMMED:
            swap = SwapLoss(kind)  # type: ignore[arg-type]
        free = () if finding.code == "HED501" else (UnboundOutputs(),)
        because, patch = _WORDS.get(finding.code, _OTHERWISE)
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(*free, swap),
            trust="invasive",
            because=because,
            patch=patch,
        )


_EDITS = {
    INPUT_DISTANCES.name: EditSource(
        "nn.Linear(width, 1); mse_loss(outputs, y)",
        "nn.Linear(width, classes); cross_entropy(outputs, y.long())",
        "the last layer and the loss: a number for each class, the largest one says it",
    ),
}
_SUMMED = ("mse", "l1", "huber", "cross-entropy", "nll", "bce-with-logits")
_WORDS = {
    "HED203": (
        "the loss takes something else than what it gets",
        "loss = torch.nn.functional.cross_entropy(scores, y)  # on what the last\n"
        "# layer puts out; for yes and no: binary_cross_entropy_with_logits",
    ),
    "HED401": (
        "outputs and targets do not go together under this loss",
        "loss_fn(outputs.squeeze(1), y)  # one shape; classes under cross-entropy,\n"
        "# yes and no as 1 and 0 under binary_cross_entropy_with_logits",
    ),
    "HED501": ("a sum over the batch is a longer step", 'reduction="mean"'),
}
_OTHERWISE = (
    "a loss by hand may not bear what torch's own does",
    "loss = torch.nn.functional.cross_entropy(scores, y)  # on scores, not on\n"
    "# probabilities",
)
