"""UNT501 exploded-activation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, PREACT_RMS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._depth import first_look, profile, weighted
from reluctant.rules._harm import harms
from reluctant.rules._notes import fed_nonfinite


@dataclass(frozen=True)
class ExplodedActivation(Rule):
    """What the layers hand on grows out of all proportion before the first step.

    ## Why it stops training
    Each block adds as much as it gets, or a gain above one is taken again and again:
    the output starts thousands of times too large, and so do the loss and every
    gradient. A step that suits any other network throws this one out of range, though
    each layer's weights are of an ordinary size.

    ## How it is measured
    The root mean square of what each layer puts out at the first look: how many decades
    the largest lies above the first layer's. And harm: a loss that rises for good, that
    is no number, or that stays no better than the best constant.

    ## Sick
    ```python
    scale = 1.0
    class Stack(nn.Sequential):
        def forward(self, x):
            for block in list(self)[:-1]: x = x + scale * torch.relu(block(x))
            return self[-1](x)
    model = Stack(*(nn.Linear(32, 32) for _ in range(60)), nn.Linear(32, 4))
    for block in model[:-1]: nn.init.kaiming_normal_(block.weight)
    ```

    ## Healthy
    ```python
    scale = 0.01
    class Stack(nn.Sequential):
        def forward(self, x):
            for block in list(self)[:-1]: x = x + scale * torch.relu(block(x))
            return self[-1](x)
    model = Stack(*(nn.Linear(32, 32) for _ in range(60)), nn.Linear(32, 4))
    for block in model[:-1]: nn.init.kaiming_normal_(block.weight)
    ```

    ## Blind spots
    Activations that explode only later follow from a step that is too long, which is
    STP101. Where most layers' weights are large it is INI102. Networks that bear such a
    start, because a norm stands before the head, are no finding.

    ## Options
    - `decades`: How far the largest layer may lie above the first. Healthy networks
      with residual paths grow by one at most.
    - `min_layers`: How many layers it takes to speak of growth.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.

    ## References
    - [Zhang2019] Fixup initialization: residual learning without normalization.
    """

    decades: float = 2.0
    min_layers: int = 4
    skill: float = 0.02

    code = "UNT501"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, PREACT_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the first forward pass has exploded, to its harm."""
        if not trace.setup.layers:
            raise Blind("the layers were never seen to run")
        if len(weighted(trace.setup)) < self.min_layers:
            return
        if fed_nonfinite(trace):
            return
        first = first_look(trace)
        start = profile(trace, first, first)
        known = start.forward[np.isfinite(start.forward)]
        if not known.size or not np.isfinite(start.forward[0]):
            raise Blind("no layer's output was a number at the first look")
        growth = float(known.max() - start.forward[0])
        if growth < self.decades:
            return
        found = harms(trace, level=self.skill)
        if not found:
            return
        order = np.argsort(-np.nan_to_num(start.forward, nan=-np.inf))
        worst = start.layers[order[0]]
        yield self.finding(
            f"the output of {worst.site} has a root mean square of "
            f"{10 ** start.forward[order[0]]:.3g} at step {first}, {growth:.1f} "
            f"decades above that of {start.layers[0].site} (limit {self.decades:g}); "
            f"{found[0].text}",
            evidence=tuple(
                Evidence(
                    quantity=PREACT_RMS.name,
                    site=start.layers[i].site,
                    step=first,
                    value=float(10 ** start.forward[i]),
                    limit=float(10 ** (start.forward[0] + self.decades)),
                    note=f"first layer {10 ** start.forward[0]:.3g}",
                )
                for i in order[:5]
                if start.forward[i] >= start.forward[0] + self.decades
            ),
            since_step=first,
            confidence=Confidence.HIGH if growth > 3 else Confidence.MEDIUM,
        )
