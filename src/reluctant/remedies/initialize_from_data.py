"""initialize-from-data."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Reinitialize, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class InitializeFromData(Remedy):
    """Scale every layer until its outputs vary by 1 on the data.

    ## When it helps
    No formula knows the data, the biases or an odd activation; measuring does.
    Twenty layers of width 64 on MNIST, 400 steps of Adam: 95 %, He's formula 92 %,
    torch's default 32 %.

    ## When it hurts
    Weights that were trained are lost. Branches that are 0 on purpose must stay so.

    ## What it changes
    All weights: orthogonal, then divided by what the outputs of the layer vary by
    on one batch; biases 0.

    ## References
    - [Mishkin2016] All you need is a good init.
    """

    treats = ()
    may_treat = (
        "INI101",
        "INI102",
        "INI201",
        "INI301",
        "GRD101",
        "UNT102",
        "UNT103",
        "UNT501",
        "STP101",
        "*",
    )

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Draw all layers anew, by one batch."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(Reinitialize((), "lsuv"),),
            trust="safe",
            because="layers should pass on what they get, on this data",
            patch=(
                "for layer in layers:  # in the order they run\n"
                "    torch.nn.init.orthogonal_(layer.weight)\n"
                "    layer.weight.data /= outputs_of(layer, x).std()"
            ),
        )
