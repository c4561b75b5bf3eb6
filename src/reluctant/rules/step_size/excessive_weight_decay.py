"""STP401 excessive-weight-decay."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_RMS, LOSS, WEIGHT_RMS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import Skill, skill
from reluctant.rules._loss import course, last_fifth, sound

_LAST = 4  # readings that count as late
_COUPLED = ("SGD", "Adam", "NAdam", "RAdam", "Adagrad", "RMSprop", "Adamax")


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
    the network learns are what decay is for. Or the pull of the decay, weight times
    weight decay, against the gradient that it is added to, where the loss has come to
    rest and much is left of it: where the two are of one size, what still would be
    learnt only makes up for the decay. Batches hide that in noise; weights that have
    become smaller than they were drawn show it too, as those of networks that learn
    grow, and then a part of the gradient's size is enough.

    ## Sick
    ```python
    optimizer = lambda p, lr: torch.optim.SGD(p, lr, weight_decay=1.0)
    ```

    ## Healthy
    ```python
    optimizer = lambda p, lr: torch.optim.SGD(p, lr, weight_decay=1e-4)
    ```

    ## Blind spots
    A penalty that is part of the loss. Decoupled decay [Loshchilov2019] that holds a
    network back without emptying it.

    ## Options
    - `left`: Share of the weights' RMS below which they have been pulled down.
    - `skill`: What counts as having learnt something.
    - `pull`: Pull of the decay over the root mean square of the gradient, in the weight
      in the middle. Gradients of batches hold noise besides, so it stays below 1.
    - `shrunk`: Share of the first RMS, of the weight in the middle, below which weights
      have shrunk.
    - `pull_shrunk`: Pull that is enough for those: the mean gradient is rarely more
      than a twentieth of a batch's where the loss has come to rest.
    - `rest`: Skill above which nothing much can be held back.
    - `falls`: Share of its whole fall that the loss may still fall in the last fifth.
    - `min_losses`: How many losses it takes to see that.
    - `min_steps`: How many steps it is given for that.

    ## References
    - [Loshchilov2019] Decoupled weight decay regularization.
    """

    left: float = 0.3
    skill: float = 0.1
    pull: float = 0.2
    shrunk: float = 0.7
    pull_shrunk: float = 0.05
    rest: float = 0.9
    falls: float = 0.03
    min_losses: int = 100
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
        if not learnt.is_exact:
            return
        shares = _left(part)
        is_emptied = bool(shares) and np.median(list(shares.values())) <= self.left
        if not learnt.is_none(self.skill) or not is_emptied:
            yield from self._held_back(part, learnt, shares)
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

    def _held_back(
        self, trace: Trace, learnt: Skill, shares: dict[str, float]
    ) -> Iterator[Finding]:
        """A finding if the gradient does little but make up for the decay."""
        is_short = len(course(trace).values) < self.min_losses
        if learnt.value >= self.rest or is_short or last_fifth(trace) > self.falls:
            return  # as good as learnt, or on its way
        pulls: dict[str, float] = {}
        for parameter in trace.setup.parameters:
            if parameter.group is None or len(parameter.shape) < 2:
                continue
            group = trace.setup.groups[parameter.group]
            decay = group.options.get("weight_decay", 0.0)
            if group.optimizer not in _COUPLED or not isinstance(decay, float | int):
                continue
            weight = trace.series(WEIGHT_RMS, parameter.name).values[-_LAST:]
            gradient = trace.series(GRAD_RMS, parameter.name).values[-_LAST:]
            if len(weight) == len(gradient) == _LAST and np.median(gradient) > 0:
                pulls[parameter.name] = float(
                    decay * np.median(weight) / np.median(gradient)
                )
        middle = float(np.median(list(pulls.values()))) if pulls else 0.0
        left = float(np.median([shares.get(name, 1.0) for name in pulls] or [1.0]))
        limit = self.pull_shrunk if left <= self.shrunk else self.pull
        if not middle >= limit:
            return
        size = f" and has left {left:.0%} of their first size" if left < 1 else ""
        yield self.finding(
            f"the loss has come to rest at a skill of {learnt.value:.2f} (limit "
            f"{self.rest:g}), where weight decay pulls at the weights with "
            f"{middle:.2f} of the gradient's size (limit {limit:g}){size}",
            evidence=tuple(
                Evidence(
                    quantity=GRAD_RMS.name,
                    site=name,
                    step=trace.last_step,
                    value=pull,
                    limit=limit,
                    note="weight decay times the weight over the gradient",
                )
                for name, pull in sorted(pulls.items(), key=lambda item: -item[1])
            ),
            since_step=0,
            severity=Severity.WARNING,
            confidence=Confidence.MEDIUM,
        )


def _left(trace: Trace) -> dict[str, float]:
    """The last root mean square of each weight over its first one."""
    shares = {}
    for site in trace.sites(WEIGHT_RMS):
        values = trace.series(WEIGHT_RMS, site).values
        values = values[np.isfinite(values)]
        if site.endswith("weight") and len(values) > 1 and values[0] > 0:
            shares[site] = float(values[-1] / values[0])
    return shares
