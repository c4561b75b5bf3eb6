"""clean-the-input."""

from dataclasses import dataclass

from reluctant.records import EditSource, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class CleanTheInput(Remedy):
    """Leave out or fill in the samples that hold nan or inf, before training.

    ## When it helps
    The batch, or its targets, held what is no number when the loss first was none.

    ## When it hurts
    A sensor that fails is information: filled with 0 it looks like a measurement. Give
    the network a second input that says which values are missing, or leave them out.

    ## What it changes
    The data, before the first step. A run that has met nan must start over, for its
    weights are nan.

    ## References
    - [Little2019] Statistical analysis with missing data.
    """

    treats = ("NUM101",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Advise to clean what was fed, where that is where nan came from."""
        fed = [e for e in finding.evidence if e.site in ("input", "target")]
        if not fed:
            return None
        name = "x" if fed[0].site == "input" else "y"
        keep = (
            f"keep = torch.isfinite({name}).reshape(len({name}), -1).all(dim=1)\n"
            f"x, y = x[keep], y[keep]"
        )
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(
                EditSource(
                    "", keep, "after the data is loaded, before the first batch"
                ),
            ),
            trust="advice",
            because=f"the {fed[0].site} {fed[0].note}".strip(),
            patch=keep,
        )
