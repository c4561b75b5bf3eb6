"""separate-the-samples."""

from dataclasses import dataclass

from reluctant.records import EditSource, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class SeparateTheSamples(Remedy):
    """Let every operation keep the axis of the samples as it is.

    ## When it helps
    An operation that was meant for one sample works along the batch: a softmax or a
    mean over axis 0, a `view` that swaps axes where a `transpose` was meant, a
    recurrent layer without `batch_first=True`.

    ## When it hurts
    Where samples belong together on purpose, as nodes of a graph or the two sides of a
    comparison do.

    ## What it changes
    The place at which the first module mixes samples, or the lines right before it.
    What was trained with the fault has learnt from it, and should start over.

    ## References
    - [BenBraiek2022] Testing feedforward neural networks training programs.
    """

    treats = ("LOP401",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Advise where to look, and a line that shows when it is done."""
        site = finding.sites[0] if finding.sites else ""
        kind = next((m.type for m in trace.setup.modules if m.name == site), "")
        proof = (
            "model.eval()\n"
            "together, alone = model(x), torch.cat([model(row[None]) for row in x])\n"
            "assert torch.allclose(together, alone, atol=1e-5)"
        )
        if kind in ("LSTM", "GRU", "RNN", "TransformerEncoder", "MultiheadAttention"):
            proof = f"# {site}: batch_first=True\n{proof}"
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(EditSource("", proof, f"at or right before {site or 'forward'}"),),
            trust="advice",
            because=f"{finding.evidence[0].value:.0%} of a sample's gradient falls on "
            "others",
            patch=proof,
        )
