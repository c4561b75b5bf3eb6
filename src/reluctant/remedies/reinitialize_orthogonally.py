"""reinitialize-orthogonally."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, Reinitialize, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ReinitializeOrthogonally(Remedy):
    """Draw the weights as rotations.

    ## When it helps
    Deep networks: a rotation keeps the length of every signal, a normal draw that
    of most, so the signal survives many more layers.

    ## When it hurts
    Weights that were trained are lost. Rectifiers halve the signal, so the
    rotations are scaled by √2.

    ## What it changes
    All weights of linear and convolutional layers; biases 0.

    ## References
    - [Saxe2014] Exact solutions to the nonlinear dynamics of learning in deep
      linear neural networks.
    """

    treats = ()
    may_treat = ("INI101", "INI102", "GRD101")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Draw all layers anew."""
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(Reinitialize((), "orthogonal"),),
            trust="safe",
            because="the signal may not survive the depth",
            patch=(
                "for layer in model.modules():\n"
                "    if isinstance(layer, torch.nn.Linear):\n"
                "        torch.nn.init.orthogonal_(layer.weight, gain=2**0.5)\n"
                "        torch.nn.init.zeros_(layer.bias)"
            ),
        )
