"""NUM201 overflow-ahead."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Quantity, Severity, Trace
from reluctant.records.quantities import (
    LOSS,
    PREACT_RMS,
    SIGNAL_GRAD_SUBNORMAL,
    WEIGHT_RMS,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._loss import course

_LARGEST = {"float16": 65504.0, "bfloat16": 3.4e38, "float32": 3.4e38}


class _Growth(NamedTuple):
    """A quantity that grows by the same factor a step.

    Attributes:
        quantity: Which.
        site: Where.
        since: First step of the growth.
        now: Its last value.
        times: What it is multiplied by in one step.
        left: Steps until it overflows.
        largest: What its kind of number can hold.
    """

    quantity: Quantity
    site: str
    since: int
    now: float
    times: float
    left: float
    largest: float


@dataclass(frozen=True)
class OverflowAhead(Rule):
    """Something grows by the same factor at every step, and will overflow.

    ## Why it stops training
    What is multiplied at each step has no largest value but the one its number format
    can hold: 65,504 in float16, 3e38 in float32. Beyond is inf, its first difference is
    nan, and with that the training is over.

    ## How it is measured
    The loss, the output of each layer and each weight, over the last third of the run:
    a straight line through their logarithms that leaves next to nothing unexplained,
    and a value far above the first ones. Where that line meets the largest number of
    the format is how many steps are left.

    ## Sick
    ```python
    lr = 0.0102
    model, loss = nn.Linear(32, 4), F.mse_loss
    x, y = 3 * x, F.one_hot(y, 4).float()
    ```

    ## Healthy
    ```python
    lr = 0.001
    model, loss = nn.Linear(32, 4), F.mse_loss
    x, y = 3 * x, F.one_hot(y, 4).float()
    ```

    ## Blind spots
    What overflows within a step, and growth that is faster than geometric.

    ## Options
    - `decades`: How far above its first values it must have come. Weights of a healthy
      network grow by one or two in all.
    - `ahead`: Steps left, as a share of those taken.
    - `straight`: Share of the variance that the line must explain.
    - `min_samples`: Readings that it is drawn through.

    ## References
    - [Goldberg1991] What every computer scientist should know about floating-point
      arithmetic.
    """

    decades: float = 3.0
    ahead: float = 2.0
    straight: float = 0.95
    min_samples: int = 6

    code = "NUM201"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all that grows without end."""
        run = course(trace)
        if len(run.values) < 3 * self.min_samples:
            raise Blind(f"{len(run.values)} losses, {3 * self.min_samples} needed")
        if run.broke >= 0:
            return  # it is behind, not ahead
        found = [g for g in self._all(trace) if g is not None]
        if not found:
            return
        found.sort(key=lambda g: g.left)
        first = found[0]
        where = f" of {first.site}" if first.site else ""
        yield self.finding(
            f"{first.quantity.name}{where} is multiplied by {first.times:.3g} at every "
            f"step since step {first.since} and has come to {first.now:.2g}: in "
            f"{first.left:.0f} steps it passes {first.largest:.2g}, the largest number "
            f"it can be (limit {self.ahead * trace.last_step:.0f} steps)",
            evidence=tuple(
                Evidence(
                    quantity=g.quantity.name,
                    site=g.site,
                    step=trace.last_step,
                    value=g.left,
                    limit=self.ahead * trace.last_step,
                    note=f"steps left; {g.now:.3g}, times {g.times:.4g} a step",
                )
                for g in found
            ),
            since_step=first.since,
            confidence=Confidence.MEDIUM,
        )

    def _all(self, trace: Trace) -> Iterator[_Growth | None]:
        half = set(trace.sites(SIGNAL_GRAD_SUBNORMAL))
        kinds = {p.name: p.dtype for p in trace.setup.parameters}
        for quantity in (LOSS, PREACT_RMS, WEIGHT_RMS):
            for site in trace.sites(quantity):
                kind = "float16" if site in half else kinds.get(site, "")
                largest = _LARGEST.get(kind or trace.setup.dtype, _LARGEST["float32"])
                largest = _LARGEST["float32"] if quantity is LOSS else largest
                steps, values = trace.series(quantity, site)
                yield self._growth(quantity, site, steps, values, largest)

    def _growth(
        self,
        quantity: Quantity,
        site: str,
        steps: NDArray[np.int64],
        values: NDArray[np.float64],
        largest: float,
    ) -> _Growth | None:
        keep = np.isfinite(values) & (values > 0)
        steps, values = steps[keep], values[keep]
        late = steps >= steps[-1] * 2 / 3 if len(steps) else keep[:0]
        if late.sum() < self.min_samples:
            return None
        logs = np.log10(values)
        first = float(np.median(logs[: max(1, len(logs) // 10)]))
        # 65,504 is near: there, what is left counts, not how far it came
        needed = min(self.decades, (log10(largest) - first) / 2)
        if logs[-1] - first < needed:
            return None
        slope, base = np.polyfit(steps[late], logs[late], 1)
        rest = logs[late] - (slope * steps[late] + base)
        if not slope > 0 or rest.var() > (1 - self.straight) * logs[late].var():
            return None
        left = (log10(largest) - float(logs[-1])) / float(slope)
        if left > self.ahead * steps[-1]:
            return None
        low = np.flatnonzero(logs < first + 0.3)
        since = int(steps[low[-1]]) if low.size else int(steps[0])
        times = float(10**slope)
        return _Growth(
            quantity, site, since, float(values[-1]), times, max(left, 0.0), largest
        )
