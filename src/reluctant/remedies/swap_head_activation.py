"""swap-head-activation."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SwapActivation, Trace
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
    start from where they are, and wake.

    ## References
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    """

    treats = ("UNT201",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Make the dead heads linear."""
        if not finding.sites:
            return None
        dead = sum(len(units) for units in finding.units.values())
        site = finding.sites[0]
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(SwapActivation(finding.sites, "linear"),),
            trust="invasive",
            because=f"{dead} outputs behind a rectifier have no gradient",
            patch=f"return {site or 'output'}(x)  # without relu",
        )
