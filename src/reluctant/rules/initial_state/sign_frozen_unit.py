"""INI401 sign-frozen-unit."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import INCOMING_NORM, LOSS, OUTGOING_NORM
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules._silence import silent


@dataclass(frozen=True)
class SignFrozenUnit(Rule):
    """Outgoing weights of a narrow layer can never change their sign.

    ## Why it stops training
    Gradient flow keeps a² − ‖(w, b)‖² of each rectified unit, where a is its outgoing
    weight. A unit with |a| > ‖(w, b)‖ would have to pass through a = 0, where that
    difference would be negative; so it keeps the sign that it was drawn with. A wide
    layer has units of both signs to spare. A layer of three does not, and one that was
    drawn wrongly cannot be put right: it dies, or settles in a valley.

    ## How it is measured
    At the first sampled step the norm of each unit's weights and bias, and the norm of
    what it sends on. Inputs of a handful of dimensions make the first small; with
    hundreds it cannot happen. Of 977 units that began so none changed its sign in
    11,000
    steps of Adam, and networks with one at the wrong sign succeeded 0 of 403 times.

    ## Sick
    ```python
    x = x[:, :2]
    width = 3
    model = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 4))
    model[2].weight.data *= 3
    ```

    ## Healthy
    ```python
    x = x[:, :2]
    width = 99
    model = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 4))
    model[2].weight.data *= 3
    ```

    ## Blind spots
    Networks of more than one hidden layer. Which sign a unit needs is not known: such
    a start may be a lucky one. With weight
    decay, momentum or large steps the law holds only nearly.

    ## Options
    - `units`: Wider layers have units to spare: of four the network learns twice as
      often as of three, of eight nearly always. They count only where all their units
      are frozen, and all died of it.
    - `skill`: From here on a network that runs has got along with its signs: a note.

    ## References
    - [Du2018] Algorithmic regularization in learning deep homogeneous models.
    """

    units: int = 4
    skill: float = 0.9

    code = "INI401"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all narrow layers that hold such units."""
        layers = [x for x in trace.setup.layers if x.operation == "linear"]
        if not trace.setup.layers:
            raise Blind("the layers were never seen to run")
        if len(layers) != 2 or len(trace.setup.layers) != 2:
            return  # known of one hidden layer alone
        hit: list[tuple[str, np.ndarray]] = []
        for layer, above in pairwise(layers):
            incoming = trace.units(INCOMING_NORM, layer.site).values[:1]
            outgoing = trace.units(OUTGOING_NORM, above.site).values[:1]
            if (
                not layer.activation.endswith("relu")
                or incoming.shape != outgoing.shape
            ):
                continue
            if not incoming.size:
                continue
            frozen = outgoing[0] > incoming[0]
            wide = incoming.shape[1] > self.units
            if wide and not (frozen.all() and _dead(trace, layer.site) == frozen.size):
                continue  # a wider layer has units to spare, unless all are lost
            if frozen.any():
                hit.append((layer.site, frozen))
        if not hit:
            return
        site, frozen = hit[0]
        learnt = skill(sound(trace))
        is_over = trace.last_step >= 100 and learnt.is_exact
        dead = _dead(trace, site)
        is_stuck = is_over and (learnt.value < self.skill or dead > 0)
        fate = f"; {dead} of its units are silent now" if dead else ""
        yield self.finding(
            f"{frozen.sum()} of {frozen.size} units of {site} start with an outgoing "
            f"weight larger than their incoming ones, and cannot change its sign{fate}",
            evidence=tuple(
                Evidence(
                    quantity=OUTGOING_NORM.name,
                    site=where,
                    step=0,
                    value=float(mask.mean()),
                    limit=0.0,
                    note="share of units whose sign is frozen",
                )
                for where, mask in hit
            ),
            since_step=0,
            severity=Severity.WARNING if is_stuck else Severity.NOTE,
            confidence=Confidence.MEDIUM,
            units={
                where: tuple(int(u) for u in np.flatnonzero(mask))
                for where, mask in hit
            },
        )


def _dead(trace: Trace, site: str) -> int:
    """How many units of a layer are silent at the end."""
    for layer in trace.setup.layers:
        if layer.site == site and (s := silent(trace, layer)) is not None:
            dead = s.dead(min_samples=500, born=500, expected=20, times=3)
            return int(dead.sum())
    return 0
