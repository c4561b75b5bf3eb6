"""ENS101 threshold-within-reach."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, SuccessMap
from reluctant.rules._base import Blind, EnsembleRule
from reluctant.rules.ensemble._shares import parts


@dataclass(frozen=True)
class ThresholdWithinReach(EnsembleRule):
    """The learning rate is so close to where training fails that little decides it.

    ## Why it stops training
    Past the threshold most trainings fail. A little below it some seeds, a little more
    data or another order of the batches are enough to fall over the edge.

    ## How it is measured
    The threshold of the map, the median over seeds of the largest rate that trains, in
    units of the recipe's own learning rate. Below `margin` it is within reach, which is
    a note; where the interval's lower end is not above the own rate, a warning.

    ## Sick
    ```python
    lr = 1.5
    ```

    ## Healthy
    ```python
    lr = 0.1
    ```

    ## Blind spots
    Recipes whose rate changes on the way. Maps whose rates do not enclose the
    threshold.

    ## Options
    - `margin`: Thresholds of variants of one network, which differ in width, targets or
      scale of the inputs, differ by a factor of 2 in the step gauge.
    - `min_seeds`: With fewer no interval of 95 % exists.

    ## References
    - [Andreyev2024] Edge of stochastic stability.
    """

    margin: float = 2.0
    min_seeds: int = 6

    code = "ENS101"
    severity = Severity.WARNING
    since = "0.1.0"

    def check(self, found: SuccessMap) -> Iterator[Finding]:
        """Yield one finding if the own rate is past the threshold, or close to it."""
        own, near, blind = found.own_rate, [], []
        if not own > 0:
            raise Blind("the recipe's own learning rate is not known")
        judged = False
        for name, part in parts(found):
            limit = part.threshold
            if len(limit.by_seed) < self.min_seeds:
                blind.append(f"{len(limit.by_seed)} seeds, {self.min_seeds} needed")
            elif not (limit.median > 0 and math.isfinite(limit.median)):
                blind.append("the rates do not enclose a threshold")
            else:
                judged = True
                if limit.median / own < self.margin:
                    near.append((limit.median / own, limit.low <= own, name, limit))
        if not judged:
            raise Blind(blind[0] if blind else "nothing was trained")
        if not near:
            return
        ratio, is_past, _, limit = min(near, key=lambda item: item[0])
        yield self.finding(
            f"the threshold is at {limit.median:.3g} ({limit.low:.3g} to "
            f"{limit.high:.3g}), {ratio:.2g} times the learning rate of {own:.3g} "
            f"(limit {self.margin:g})",
            evidence=tuple(
                Evidence(
                    quantity="threshold",
                    site=name,
                    step=-1,
                    value=value,
                    limit=self.margin,
                    note="in units of the recipe's own learning rate",
                )
                for value, _, name, _ in sorted(near, key=lambda item: item[0])
            ),
            since_step=0,
            severity=Severity.WARNING if is_past else Severity.NOTE,
            confidence=Confidence.HIGH if limit.high < own else Confidence.MEDIUM,
        )
