"""thaw-parameters."""

from dataclasses import dataclass

from reluctant.records import AddParameters, Finding, Prescription, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ThawParameters(Remedy):
    """Let parameters that were frozen as they were drawn be trained.

    Tried, not prescribed, where something is frozen and nothing says why the training
    fails: of weights that a text loader or `from_pretrained` brought, no one can see
    whether they were ever trained.

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
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Thaw the modules that the finding names, biases included; or whatever is."""
        is_found = finding.code in self.treats
        owners = {site.rpartition(".")[0] for site in finding.sites}
        names = tuple(
            p.name
            for p in trace.setup.parameters
            if not p.requires_grad
            and (not is_found or p.name.rpartition(".")[0] in owners)
        )
        if not names:
            return None
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(AddParameters(names),),
            trust="safe" if is_found else "invasive",  # it may be meant
            because=f"{len(names)} parameters are frozen"
            + " as they were drawn" * is_found,
            patch=(
                "for parameter in model.parameters():\n"
                "    parameter.requires_grad = True  # before the optimizer is made"
            ),
        )
