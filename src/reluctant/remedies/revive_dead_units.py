"""revive-dead-units."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, ReviveUnits, Trace
from reluctant.remedies._base import Remedy


@dataclass(frozen=True)
class ReviveDeadUnits(Remedy):
    """Give dead units new incoming weights, and let them begin unheard.

    ## When it helps
    Units that are silent on all data have no gradient, and only something from
    outside can wake them. With outgoing weights of zero the network computes what
    it did, and the unit grows into whatever is lacking. MNIST killed by a step of
    Adam: 93 %, a restart 94 %, a leaky swap 48 to 50 %.

    ## When it hurts
    What killed them must be gone first, or it kills them again. Weights that have
    exploded want a restart. In a wide network dead units may not be missed at all.

    ## What it changes
    Incoming weights by the layer's scale, biases at a quantile of the data,
    outgoing weights 0, the optimizer's moments of all that.

    ## References
    - [Sokar2023] The dormant neuron phenomenon in deep reinforcement learning.
    - [Dohare2024] Loss of plasticity in deep continual learning.
    """

    treats = ("UNT101", "UNT102", "UNT103")
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Revive the units that were found, or all that are dead when it is applied."""
        head = {x.site for x in trace.setup.layers if x.is_head}
        units = {s: ids for s, ids in finding.units.items() if ids and s not in head}
        count = sum(map(len, units.values()))
        what = f"{count} hidden units" if count else "hidden units"
        patch = (
            "layer.weight.data[dead] = torch.randn_like(layer.weight[dead])"
            " * (2 / fan_in) ** 0.5\n"
            "layer.bias.data[dead] = 0\n"
            "next_layer.weight.data[:, dead] = 0\n"
            "optimizer.state.clear()  # or use treatment.apply()"
        )
        return Prescription(
            remedy=self.name(),
            cures=finding.code,
            changes=(ReviveUnits(),),
            trust="safe",
            because=f"{what} are silent on all that was seen",
            patch=patch,
        )
