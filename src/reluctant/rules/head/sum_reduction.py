"""HED501 sum-reduction."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    LOSS,
    LOSS_REPLICATION,
    STEP_CURVATURE,
    STEP_GAIN,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._gauge import first_gauges, gauge_at
from reluctant.rules._harm import harms
from reluctant.rules._optimizers import is_adaptive


@dataclass(frozen=True)
class SumReduction(Rule):
    """The loss is summed over the batch, so each step is a batch size too long.

    ## Why it stops training
    A sum of B losses has B times the gradient of their mean. A learning rate that is
    right for the mean is then B times too large, and grows with every larger batch.

    ## How it is measured
    The reduction on the graph of the loss, or in a check whether the loss of a batch
    and its copy together is twice that of the batch; and harm by too long a step: past
    its limit as it is, and within it if divided by the batch size. A sum that a small
    learning rate makes up for is no finding, nor is one under an optimizer that scales
    its own steps.

    ## Sick
    ```python
    loss = lambda outputs, y: F.cross_entropy(outputs, y, reduction="sum")
    ```

    ## Healthy
    ```python
    loss = lambda outputs, y: F.cross_entropy(outputs, y, reduction="mean")
    ```

    ## Blind spots
    A loss that is summed by hand.

    ## Options
    - `limit`: Of the step gauge.
    - `skill`: What counts as having learnt something.

    ## References
    - [Goyal2017] Accurate, large minibatch SGD: on the loss as a mean over the batch.
    """

    limit: float = 2.0
    skill: float = 0.02

    code = "HED501"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, STEP_GAIN, STEP_CURVATURE)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the sum is what made the step too long."""
        setup = trace.setup
        if setup.loss is None:
            raise Blind("no loss was seen with its graph")
        if not _is_sum(trace) or setup.batch_size < 2 or is_adaptive(trace):
            return
        found = harms(trace, level=self.skill)
        if not found:
            return
        gauge, harm = first_gauges(trace)[0], found[0]
        if not isfinite(gauge):
            raise Blind("no sample of the gauge is finite")
        mean = gauge / setup.batch_size
        if gauge_at(trace, found).gauge.value < self.limit or mean >= self.limit:
            return
        yield self.finding(
            f"{setup.loss.kind or 'the loss'} is summed over {setup.batch_size} "
            f"samples: "
            f"the step gauge starts at {gauge:.3g} (limit "
            f"{self.limit:g}), and would be {mean:.2g} with the mean; {harm.text}",
            evidence=(
                Evidence(
                    quantity="gauge",
                    site="",
                    step=0,
                    value=gauge,
                    limit=self.limit,
                    note=f"{mean:.2g} with the mean",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )


def _is_sum(trace: Trace) -> bool:
    """Whether the loss is a sum: as a check has tried it, or as its graph says."""
    loss, tried = trace.setup.loss, trace.series(LOSS_REPLICATION).values
    if tried.size and min(abs(tried[-1] - 1), abs(tried[-1] - 2)) < 1e-3:
        return bool(tried[-1] > 1.5)
    return loss is not None and loss.reduction == "sum"
