"""add-missing-parameters."""

from dataclasses import dataclass

from reluctant.records import AddParameters, Finding, Prescription, Severity, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class AddMissingParameters(Remedy):
    """Hand the parameters that no optimizer owns to the optimizer.

    ## When it helps
    A layer was left out of the list that the optimizer was made from, or was added to
    the model after the optimizer.

    ## When it hurts
    Where the parameters were left out on purpose: then `requires_grad_(False)` says so,
    and saves their gradients.

    ## What it changes
    The parameters join the first parameter group, with its learning rate.

    ## References
    - [PyTorchOptim] torch.optim: constructing an optimizer.
    """

    treats = ("LOP201",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Add all the finding's sites, unless they look left out on purpose."""
        groups, names = trace.setup.groups, finding.sites
        if not names:
            return None
        is_note = finding.severity is Severity.NOTE
        kind = groups[0].optimizer if groups else "SGD"
        rate = groups[0].options.get("lr") if groups else None
        lr = f", lr={rate:g}" if isinstance(rate, float | int) else ""
        if is_note:
            frozen = "".join(
                f"model.get_parameter({name!r}).requires_grad_(False)\n"
                for name in names
            )
            because = f"{len(names)} parameters look trained and left out on purpose"
            patch = frozen.rstrip()
        else:
            because = f"{len(names)} parameters get gradients that nothing applies"
            patch = f"optimizer = torch.optim.{kind}(model.parameters(){lr})"
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=() if is_note else (AddParameters(names),),
            trust="advice" if is_note else "safe",
            because=because,
            patch=patch,
        )
