"""HED202 probabilities-as-logits."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, OUTPUT_MAX, OUTPUT_MIN
from reluctant.rules._base import Rule
from reluctant.rules.head._seen import head

_BOUNDED = ("sigmoid", "softmax", "tanh", "hardsigmoid", "hardtanh")


@dataclass(frozen=True)
class ProbabilitiesAsLogits(Rule):
    """The outputs are squashed, and the loss squashes them again.

    ## Why it stops training
    `BCEWithLogitsLoss` and `CrossEntropyLoss` take logits, numbers of any size. Outputs
    between 0 and 1 (or −1 and 1) leave them unsure for ever: a probability of 1, read
    as a logit, is one of 73 %. The loss has a floor and the gradient hardly grows with
    the error.

    ## How it is measured
    On the graph: a sigmoid, softmax or tanh stands between the last layer and a loss
    that takes logits. Softmax before cross-entropy is HED201. A squashed output that is
    multiplied by a scale afterwards, as cosine classifiers do, is no such output.

    ## Sick
    ```python
    loss = lambda o, y: F.cross_entropy(o.sigmoid(), y)
    ```

    ## Healthy
    ```python
    loss = lambda o, y: F.cross_entropy(o, y)
    ```

    ## Blind spots
    A sigmoid written out by hand.

    ## Options
    - `reach`: Outputs beyond this show that something has scaled them after all.

    ## References
    - [PyTorchBCE] torch.nn.BCEWithLogitsLoss: combines a sigmoid and the loss.
    """

    reach: float = 1.0

    code = "HED202"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MIN, OUTPUT_MAX)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if bounded outputs meet a loss that takes logits."""
        seen = head(trace)
        kind, last = seen.loss.kind, seen.loss.head
        takes_logits = kind in ("cross-entropy", "bce-with-logits")
        if not takes_logits or last not in _BOUNDED:
            return
        if kind == "cross-entropy" and last == "softmax":
            return
        if max(abs(seen.low), abs(seen.high)) > self.reach:
            return
        yield self.finding(
            f"the outputs have gone through {last} (from {seen.low:.2g} to "
            f"{seen.high:.2g}, limit {self.reach:g}), but {kind} takes logits of any "
            f"size and squashes them itself",
            evidence=(
                Evidence(
                    quantity=OUTPUT_MAX.name,
                    site="",
                    step=trace.last_step,
                    value=max(abs(seen.low), abs(seen.high)),
                    limit=self.reach,
                    note=f"{last} on the graph",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
