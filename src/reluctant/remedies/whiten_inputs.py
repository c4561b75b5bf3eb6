"""whiten-inputs."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Trace, WhitenInput
from reluctant.remedies._base import Remedy

_PATCH = """\
# once, on the training data
mean, std = x_train.mean(0), x_train.std(0).clamp(min=1e-12)
spread, axes = torch.linalg.eigh(torch.cov(((x_train - mean) / std).double().T))
whiten = axes / spread.clamp(min=1e-10).sqrt() @ axes.T
# all data, before the model
x = (((x - mean) / std).double() @ whiten).float()
"""


@dataclass(frozen=True)
class WhitenInputs(Remedy):
    """Feed columns of mean 0 and deviation 1 that do not correlate.

    ## When it helps
    Columns that are nearly copies of each other, or powers of one number: what sets
    them apart is a hundred times smaller than what they share, and curvature ten
    thousand times. White inputs have the same curvature along all directions, and
    one step length suits them all.

    ## When it hurts
    Where what sets the columns apart is noise: it is made as large as the rest.
    Leave out columns then. A column no longer means itself alone. Images and words
    are left as they are, and so are tables with fewer than ten samples a column.

    ## What it changes
    What the first layer reads; after training the matrix can be folded into it, and
    the network is what its source says. Directions that are nothing but rounding
    are not made larger.

    ## References
    - [LeCun1998] Efficient backprop.
    - [Kessy2018] Optimal whitening and decorrelation.
    """

    treats = ("GRD501",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Measure on the data, decorrelate before the first layer."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(WhitenInput(),),
            trust="safe",
            because="one step length suits all directions of white inputs; or leave "
            "out the columns that say the same",
            patch=_PATCH,
        )
