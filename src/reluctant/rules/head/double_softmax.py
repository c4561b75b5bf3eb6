"""HED201 double-softmax."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, OUTPUT_MAX, OUTPUT_MIN, OUTPUT_SUM_ERROR
from reluctant.rules._base import Rule
from reluctant.rules._loss import course
from reluctant.rules.head._seen import head


@dataclass(frozen=True)
class DoubleSoftmax(Rule):
    """Probabilities go into a cross-entropy that applies softmax once more.

    ## Why it stops training
    Cross-entropy takes logits. Of probabilities it sees differences of at most 1, so
    that the loss cannot fall below log(1 + (K − 1)/e) for K classes, and its gradient
    is small where the network is wrong and sure. Such a network still learns, only
    slower and not as far; nothing else shows.

    ## How it is measured
    On the graph: a softmax stands between the last layer and the loss's own. Where the
    graph does not show one, by the numbers: no output is negative, and the outputs of
    every sample seen sum to 1. A log-softmax in that place changes nothing, for softmax
    of log-probabilities gives the probabilities back, and is not reported.

    ## Sick
    ```python
    loss = lambda outputs, y: F.cross_entropy(outputs.softmax(1), y)
    ```

    ## Healthy
    ```python
    loss = lambda outputs, y: F.cross_entropy(outputs.log_softmax(1), y)
    ```

    ## Blind spots
    A cross-entropy written out by hand, unless it ends in `nll_loss`.

    ## Options
    - `sum_error`: How far from 1 the sum of a sample's outputs may be; float32 rounds
      at 1e-7, half precision at 1e-3.

    ## References
    - [PyTorchCrossEntropy] torch.nn.CrossEntropyLoss: the input holds logits.
    """

    sum_error: float = 2e-3

    code = "HED201"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MIN, OUTPUT_MAX)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the outputs are probabilities already."""
        seen = head(trace)
        if seen.loss.kind != "cross-entropy" or seen.loss.outputs < 2:
            return
        errors = trace.series(OUTPUT_SUM_ERROR).values
        errors = errors[np.isfinite(errors)]
        off = float(errors.max()) if errors.size else np.inf
        is_simplex = off <= self.sum_error or not errors.size
        by_graph = seen.loss.head == "softmax" and is_simplex
        by_number = seen.low >= 0 and off <= self.sum_error
        if not (by_graph or (by_number and seen.loss.head in ("", "softmax"))):
            return
        classes = seen.loss.outputs
        floor = float(np.log1p((classes - 1) / np.e))
        late = course(trace).late
        yield self.finding(
            f"the outputs are probabilities (from {seen.low:.2g} to {seen.high:.2g}, "
            f"sums off 1 by at most {off:.1g}), and cross-entropy applies softmax once "
            f"more: with {classes} classes its loss cannot fall below {floor:.3g}, and "
            f"is {late:.3g}",
            evidence=(
                Evidence(
                    quantity=OUTPUT_SUM_ERROR.name,
                    site="",
                    step=trace.last_step,
                    value=off,
                    limit=self.sum_error,
                    note="softmax on the graph" if by_graph else "by the numbers",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH if by_graph else Confidence.MEDIUM,
        )
