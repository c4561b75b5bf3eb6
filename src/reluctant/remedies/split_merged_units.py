"""split-merged-units."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SplitUnits, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class SplitMergedUnits(Remedy):
    """Let one of several equal units do their work, and the others start over.

    ## When it helps
    Units of one direction get the same gradient and stay together for good; the
    network has fewer than it seems. An exact copy in a network of three: 0 %
    succeed, 100 % after the split.

    ## When it hurts
    Units that are alike on purpose, as in tied or pruned networks.

    ## What it changes
    One unit takes over the outgoing weights of all, the others get new incoming
    weights and outgoing ones of zero; the function stays.

    ## References
    - [Fukumizu2000] Local minima and plateaus in hierarchical structures of
      multilayer perceptrons.
    """

    treats = ("UNT301",)
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Split all that are merged when it is applied."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(SplitUnits(),),
            trust="safe",
            because="units that do the same count once",
            patch=(
                "next_layer.weight.data[:, first] += next_layer.weight[:, second]\n"
                "next_layer.weight.data[:, second] = 0\n"
                "torch.nn.init.normal_(layer.weight.data[second])"
            ),
        )
