"""swap-head-activation."""

from dataclasses import dataclass

from reluctant.records import (
    Finding,
    Prescription,
    ReviveUnits,
    SwapActivation,
    Trace,
    UnboundOutputs,
)
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class SwapHeadActivation(Remedy):
    """Take the rectifier off the outputs.

    ## When it helps
    Outputs behind a rectifier fall silent for every input. A linear output always has a
    gradient, so none can be lost, and the loss itself keeps the outputs near targets
    that are never negative.

    ## When it hurts
    Where a negative output has no meaning later on, such as a count or a rate: then
    softplus keeps it positive and has a gradient everywhere.

    ## What it changes
    The activation of the layers that the loss reads. Outputs that are dead already
    start from where they are, and wake; hidden units that died with them are revived.

    ## References
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    """

    treats = ("HED201", "HED202", "HED301", "HED302", "UNT201")
    may_treat = ("UNT101", "HED101")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Make the dead heads linear, or all that are rectified."""
        if finding.code.startswith("HED") and finding.code in self.treats:
            return self._unbound(finding, trace)
        heads = [x for x in trace.setup.layers if x.is_head]
        sites = tuple(x.site for x in heads if x.activation == "relu")
        count = "some"
        if finding.code == "UNT201":
            sites = finding.sites
            count = str(sum(len(units) for units in finding.units.values()))
        if not sites:
            return None
        site = sites[0]
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(SwapActivation(sites, "linear"), ReviveUnits()),
            trust="invasive",
            because=f"{count} outputs behind a rectifier have no gradient",
            patch=f"return {site or 'output'}(x)  # without relu",
        )

    def _unbound(self, finding: Finding, trace: Trace) -> Prescription:
        """Take the activation off the outputs, where it is the model's own."""
        loss = trace.setup.loss
        last = loss.head if loss else ""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(UnboundOutputs(),),
            trust="invasive",
            because=f"{last or 'an activation'} bounds what should have no bounds",
            patch=f"return x  # without {last}",
        )
