"""HED301 relu-head."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, OUTPUT_MAX, OUTPUT_MIN
from reluctant.rules._base import Rule
from reluctant.rules.head._seen import head

_CUT = ("relu", "relu6", "clamp", "threshold")


@dataclass(frozen=True)
class ReluHead(Rule):
    """Logits go through a rectifier before the loss.

    ## Why it stops training
    A logit says *against* a class by being negative. A rectifier takes that away, and
    an output below zero for a sample gets no gradient from it: it can no longer be told
    that the sample is of its class. Outputs that are below zero for every sample are
    lost, and their classes with them.

    ## How it is measured
    On the graph: a rectifier stands between the last layer and a loss that takes
    logits, and the smallest output seen is exactly 0. Rectified outputs of a regression
    are another matter: targets below zero are HED302, outputs that died are UNT201.

    ## Sick
    ```python
    loss = lambda outputs, y: F.cross_entropy(outputs.relu(), y)
    ```

    ## Healthy
    ```python
    loss = lambda outputs, y: F.cross_entropy(outputs + 0, y)
    ```

    ## Blind spots
    A rectifier with a leak (leaky ReLU, ELU) takes away less, and is not reported.

    ## Options
    - `zero`: Outputs this close to 0 count as cut.

    ## References
    - [PyTorchCrossEntropy] torch.nn.CrossEntropyLoss: the input holds logits.
    """

    zero: float = 0.0

    code = "HED301"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MIN, OUTPUT_MAX)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if logits are rectified."""
        seen = head(trace)
        takes_logits = seen.loss.kind in ("cross-entropy", "bce-with-logits")
        if not takes_logits or seen.loss.head not in _CUT or seen.low < self.zero:
            return
        if seen.low > self.zero:
            return  # a clamp from below that is not at 0, or never reached
        yield self.finding(
            f"the logits go through {seen.loss.head} before {seen.loss.kind}: none is "
            f"below {seen.low:g} (limit {self.zero:g}), so no output can speak against "
            f"its class",
            evidence=(
                Evidence(
                    quantity=OUTPUT_MIN.name,
                    site="",
                    step=trace.last_step,
                    value=seen.low,
                    limit=self.zero,
                    note=f"{seen.loss.head} on the graph",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
