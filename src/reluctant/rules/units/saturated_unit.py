"""UNT401 saturated-unit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, SATURATED
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import late_step, sound


@dataclass(frozen=True)
class SaturatedUnit(Rule):
    """Most units of a bounded activation sit at its flat ends, and little is learnt.

    ## Why it stops training
    Far from zero a sigmoid or a tanh hardly changes, and passes as little of a gradient
    back. A layer whose units are there for every input is a layer of constants, or of
    switches that no gradient can move.

    ## How it is measured
    For each unit the share of positions at which the slope of its activation is below
    1 % of the largest, at sampled steps late in the run. A unit counts from `flat` on;
    a layer, if most of its units do. Networks that have learnt may be as sure of
    themselves as they like.

    ## Sick
    ```python
    model = mlp(activation=nn.Tanh, gain=30.0)
    ```

    ## Healthy
    ```python
    model = mlp(activation=nn.Tanh, gain=1.0)
    ```

    ## Blind spots
    The gates of recurrent layers, which are not seen apart.

    ## Options
    - `flat`: Share of positions from which on a unit is saturated.
    - `share`: Share of a layer's units.
    - `skill`: Below this the network has learnt little.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [Glorot2010] Understanding the difficulty of training deep feedforward networks.
    """

    flat: float = 0.9
    share: float = 0.5
    skill: float = 0.5
    min_steps: int = 60

    code = "UNT401"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers that are saturated."""
        part = sound(trace)
        sites = [x.site for x in part.setup.layers if not x.is_head]
        seen = {site: part.units(SATURATED, site) for site in sites}
        late = late_step(part, 0.5)
        shares: dict[str, float] = {}
        for site, (steps, values) in seen.items():
            rows = values[steps >= late] if values.ndim == 2 else values
            if rows.size:
                shares[site] = float((np.nanmean(rows, axis=0) >= self.flat).mean())
        if not part.setup.layers:
            raise Blind("the layers were never seen to run")
        hit = {site: share for site, share in shares.items() if share >= self.share}
        if not hit:
            return
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(part)
        if not learnt.is_exact or learnt.value >= self.skill:
            return
        worst = max(hit, key=hit.__getitem__)
        others = f"; so are {len(hit) - 1} more layers" if len(hit) > 1 else ""
        yield self.finding(
            f"{hit[worst]:.0%} of the units of {worst} (limit {self.share:.0%}) sit "
            f"at a "
            f"flat end for {self.flat:.0%} of all inputs{others}; the skill is "
            f"{learnt.value:.2f}",
            evidence=tuple(
                Evidence(
                    quantity=SATURATED.name,
                    site=site,
                    step=part.last_step,
                    value=share,
                    limit=self.share,
                    note="share of units",
                )
                for site, share in sorted(hit.items(), key=lambda item: -item[1])
            ),
            since_step=0,
            confidence=Confidence.MEDIUM,
        )
