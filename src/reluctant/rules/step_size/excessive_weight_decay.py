"""STP401 excessive-weight-decay."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, WEIGHT_RMS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class ExcessiveWeightDecay(Rule):
    """Weight decay pulls the weights to zero faster than the gradient can hold them.

    ## Why it stops training
    Decay takes a share of each weight at every step. Where the gradient cannot make up
    for it, all layers shrink together, the signal shrinks by their product, and with it
    the gradient: the network ends as a constant.

    ## How it is measured
    The root mean square of the weights late in the run against the first one, in groups
    with weight decay, and a network that has learnt nothing. Weights that shrink while
    the network learns are what decay is for.

    ## Sick
    ```python
    optimizer = lambda p, lr: torch.optim.SGD(p, lr, weight_decay=1.0)
    ```

    ## Healthy
    ```python
    optimizer = lambda p, lr: torch.optim.SGD(p, lr, weight_decay=1e-4)
    ```

    ## Blind spots
    A penalty that is part of the loss.

    ## Options
    - `left`: Share of the weights' RMS below which they have been pulled down.
    - `skill`: What counts as having learnt something.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [Loshchilov2019] Decoupled weight decay regularization.
    """

    left: float = 0.3
    skill: float = 0.1
    min_steps: int = 40

    code = "STP401"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, WEIGHT_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if decay has emptied the network."""
        decays = [
            float(decay)
            for group in trace.setup.groups
            if isinstance(decay := group.options.get("weight_decay", 0.0), float | int)
        ]
        if not decays or max(decays) <= 0:
            return
        part = sound(trace)
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(part)
        if not learnt.is_exact or not learnt.is_none(self.skill):
            return
        shares: dict[str, float] = {}
        for site in part.sites(WEIGHT_RMS):
            values = part.series(WEIGHT_RMS, site).values
            values = values[np.isfinite(values)]
            if site.endswith("weight") and len(values) > 1 and values[0] > 0:
                shares[site] = float(values[-1] / values[0])
        if not shares or float(np.median(list(shares.values()))) > self.left:
            return
        site = min(shares, key=shares.__getitem__)
        yield self.finding(
            f"weight decay {max(decays):g} has left "
            f"{np.median(list(shares.values())):.0%} "
            f"of the weights' RMS (limit {self.left:.0%}; {site} "
            f"{shares[site]:.1%}), and "
            f"the skill is {learnt.value:.3f}",
            evidence=tuple(
                Evidence(
                    quantity=WEIGHT_RMS.name,
                    site=name,
                    step=part.last_step,
                    value=share,
                    limit=self.left,
                    note="of its first value",
                )
                for name, share in sorted(shares.items(), key=lambda item: item[1])
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
