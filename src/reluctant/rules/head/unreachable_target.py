"""HED302 unreachable-target."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    LOSS,
    OUTPUT_MAX,
    OUTPUT_MIN,
    TARGET_MAX,
    TARGET_MEAN,
)
from reluctant.rules._base import Rule
from reluctant.rules.head._seen import Head, head

_RANGE: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, np.inf),
    "log-sigmoid": (-np.inf, 0.0),
    "log-softmax": (-np.inf, 0.0),
}
_KINDS = ("mse", "l1", "huber")


@dataclass(frozen=True)
class UnreachableTarget(Rule):
    """The activation of the last layer cannot put out what is asked of it.

    ## Why it stops training
    A sigmoid ends at 1, a tanh at −1 and 1, a rectifier at 0. Targets beyond drive the
    last layer to the flat end, where its gradient vanishes, and what is left of the
    loss is left for good.

    ## How it is measured
    The range of the activation on the graph against the smallest and the largest target
    seen. By how much they lie outside is counted in standard deviations of the targets:
    targets of 0 and 1 for a sigmoid are at its very ends, not beyond. A softmax over a
    single output puts out 1 and nothing else.

    ## Sick
    ```python
    loss = lambda outputs, y: F.mse_loss(outputs[:, 0].sigmoid(), 2.0 * y)
    ```

    ## Healthy
    ```python
    loss = lambda outputs, y: F.mse_loss(outputs[:, 0].sigmoid(), y / 3)
    ```

    ## Blind spots
    Losses of unknown kind, and outputs that are scaled after their activation by a
    tensor that requires a gradient.

    ## Options
    - `beyond`: How many standard deviations a target must lie beyond the range. Noise
      around a target that can be reached passes.
    - `sum_error`: How far the targets of a softmax may be from a sum of 1: less may be
      a few samples without a label.
    - `error`: From so many on it is an error: most of the spread is lost.

    ## References
    - [LeCun1998] Efficient BackProp, on targets within the range of the sigmoid.
    """

    beyond: float = 0.25
    sum_error: float = 0.2
    error: float = 1.0

    code = "HED302"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MIN, OUTPUT_MAX)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if targets lie outside the range of the outputs."""
        seen = head(trace)
        if seen.loss.head == "softmax" and seen.loss.outputs == 1:
            yield self._always_one(trace)
            return
        if found := self._shared(trace, seen):
            yield found
            return
        ends = _RANGE.get(seen.loss.head)
        if ends is None or seen.loss.kind not in _KINDS:
            return
        if not np.isfinite(seen.target_low) or not seen.target_std > 0:
            return
        low, high = ends
        slack = 1e-3 * (1 + abs(high) if np.isfinite(high) else 1.0)
        if seen.low < low - slack or seen.high > high + slack:
            return  # scaled after the activation
        over = max(seen.target_high - high, 0) / seen.target_std
        under = max(low - seen.target_low, 0) / seen.target_std
        worst = max(over, under)
        if worst < self.beyond:
            return
        where = (
            f"up to {seen.target_high:.3g}"
            if over >= under
            else (f"down to {seen.target_low:.3g}")
        )
        yield self.finding(
            f"targets go {where}, but {seen.loss.head} puts out {low:g} to {high:g}: "
            f"{worst:.1f} standard deviations of the targets cannot be reached (limit "
            f"{self.beyond:g})",
            evidence=(
                Evidence(
                    quantity=TARGET_MAX.name,
                    site="",
                    step=trace.last_step,
                    value=worst,
                    limit=self.beyond,
                    note=f"targets from {seen.target_low:.3g} to "
                    f"{seen.target_high:.3g}",
                ),
            ),
            since_step=0,
            severity=Severity.ERROR if worst >= self.error else Severity.WARNING,
            confidence=Confidence.HIGH,
        )

    def _shared(self, trace: Trace, seen: Head) -> Finding | None:
        """A softmax where several targets, or none, can be 1 at once."""
        means = seen.target_mean
        if seen.loss.head != "softmax" or seen.loss.kind not in ("bce", "mse", "l1"):
            return None
        if means.size < 2 or not means.min() >= 0 or not seen.target_high <= 1:
            return None
        total = float(means.sum())
        if abs(total - 1) < self.sum_error:
            return None
        return self.finding(
            f"the targets of one sample sum to {total:.3g} on average, the outputs of "
            f"a softmax to 1: use a sigmoid for labels that do not exclude each other",
            evidence=(
                Evidence(
                    quantity=TARGET_MEAN.name,
                    site="",
                    step=trace.last_step,
                    value=abs(total - 1),
                    limit=self.sum_error,
                    note="distance of the targets' sum from 1",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )

    def _always_one(self, trace: Trace) -> Finding:
        """A softmax over one output."""
        return self.finding(
            "softmax over a single output is 1 whatever comes in: use a sigmoid, or "
            "give each class an output",
            evidence=(
                Evidence(
                    quantity="outputs",
                    site="",
                    step=trace.last_step,
                    value=1.0,
                    limit=2.0,
                    note="entries that share the 1",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
