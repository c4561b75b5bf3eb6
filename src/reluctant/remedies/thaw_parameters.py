"""thaw-parameters."""

from dataclasses import dataclass

from reluctant.records import AddParameters, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ThawParameters(Remedy):
    """Let parameters that were frozen as they were drawn be trained.

    ## When it helps
    A part was frozen as one freezes what was trained before, but its weights were
    never loaded, or were drawn anew.

    ## When it hurts
    Where random features are meant, or what is frozen was trained after all.

    ## What it changes
    The parameters get gradients and join the optimizer, if they were left out.

    ## References
    - [PyTorchOptim] torch.optim: constructing an optimizer.
    """

    treats = ("LOP202",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Thaw the modules that the finding names, biases included."""
        owners = {site.rpartition(".")[0] for site in finding.sites}
        names = tuple(
            p.name
            for p in trace.setup.parameters
            if not p.requires_grad and p.name.rpartition(".")[0] in owners
        )
        if not names:
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(AddParameters(names),),
            trust="safe",
            because=f"{len(names)} parameters are frozen as they were drawn",
            patch=(
                "for parameter in model.parameters():\n"
                "    parameter.requires_grad = True  # before the optimizer is made"
            ),
        )
