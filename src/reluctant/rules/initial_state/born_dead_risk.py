"""INI501 born-dead-risk."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._silence import hidden


@dataclass(frozen=True)
class BornDeadRisk(Rule):
    """A network of this depth and width is often born dead, whatever the seed.

    ## Why it stops training
    At the start each rectified unit is off for a given input with probability ½. All N
    units of a layer are with 2⁻ᴺ, and then nothing of this input passes. Over the
    layers this adds up: ten layers of three units are closed to three inputs in four
    [Lu2019]. It is a risk and no fault: UNT103 says what became of it in this run.

    ## How it is measured
    From the widths alone: 1 − ∏ (1 − 2⁻ᴺ) over the rectified layers, for weights drawn
    symmetrically and biases of 0.

    ## Sick
    ```python
    width = 3
    sizes = [32] + [width] * 3
    pairs = zip(sizes, sizes[1:])
    body = [m for n, k in pairs for m in (nn.Linear(n, k), nn.ReLU())]
    model = nn.Sequential(*body, nn.Linear(width, 4))
    ```

    ## Healthy
    ```python
    width = 30
    sizes = [32] + [width] * 3
    pairs = zip(sizes, sizes[1:])
    body = [m for n, k in pairs for m in (nn.Linear(n, k), nn.ReLU())]
    model = nn.Sequential(*body, nn.Linear(width, 4))
    ```

    ## Blind spots
    A path around a layer keeps the network open. Convolutions have many positions to
    fire at, and are left out.

    ## Options
    - `probability`: Of a given input being stopped. Below a quarter restarts are cheap.

    ## References
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    - [Rister2020] Probabilistic bounds on neuron death in deep rectifier networks.
    """

    probability: float = 0.25

    code = "INI501"
    severity = Severity.NOTE
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one note if the shape alone makes a dead start likely."""
        if not trace.setup.layers:
            raise Blind("the layers were never seen to run")
        layers = [
            x
            for x in hidden(trace)
            if x.operation == "linear" and x.units and "#" not in x.site
        ]
        risk = 1 - math.prod(1 - 2.0**-x.units for x in layers)
        if risk < self.probability:
            return
        narrow = sorted(layers, key=lambda x: x.units)
        yield self.finding(
            f"{len(layers)} rectified layers of {narrow[0].units} to "
            f"{narrow[-1].units} units stop a given input at the start with "
            f"probability {risk:.2g} (limit {self.probability:g}), 1 − ∏ (1 − 2⁻ᴺ)",
            evidence=tuple(
                Evidence(
                    quantity="born_dead_risk",
                    site=x.site,
                    step=0,
                    value=2.0**-x.units,
                    limit=self.probability,
                    note=f"{x.units} units",
                )
                for x in narrow
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )
