"""HED203 logits-as-probabilities."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, OUTPUT_MAX, OUTPUT_MIN
from reluctant.rules._base import Rule
from reluctant.rules._loss import course
from reluctant.rules.head._seen import head


@dataclass(frozen=True)
class LogitsAsProbabilities(Rule):
    """The loss takes log-probabilities, or probabilities, but gets something else.

    ## Why it stops training
    `NLLLoss` only picks the output of the right class and turns its sign. On outputs
    that nothing normalizes, the loss falls without end by making all of them large;
    what was to be learnt is not needed for that.

    ## How it is measured
    Negative log-likelihood of outputs that no log-softmax produced and of which some
    are above 0, which a log-probability never is. For binary cross-entropy: outputs
    that were cut to [0, 1] rather than squashed, seen as a clamp on the graph.

    ## Sick
    ```python
    loss = lambda outputs, y: F.nll_loss(outputs, y)
    ```

    ## Healthy
    ```python
    loss = lambda outputs, y: F.nll_loss(outputs.log_softmax(1), y)
    ```

    ## Blind spots
    Outputs that happen to be negative throughout.

    ## Options
    - `above`: A log-probability is at most 0; this much is rounding.

    ## References
    - [PyTorchNLL] torch.nn.NLLLoss: the input holds log-probabilities.
    """

    above: float = 1e-3

    code = "HED203"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MIN, OUTPUT_MAX)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if outputs are no probabilities where they should be."""
        seen = head(trace)
        kind, last = seen.loss.kind, seen.loss.head
        late = course(trace).late
        if kind == "nll" and last != "log-softmax" and seen.high > self.above:
            what = (
                f"went through {last}" if last else "are as the last layer gives them"
            )
            text = (
                f"the loss takes log-probabilities, which are at most 0, but the "
                f"outputs {what}, from {seen.low:.2g} to {seen.high:.2g} (limit "
                f"{self.above:g}); it is {late:.3g} at the end"
            )
        elif kind == "bce" and last in ("clamp", "relu", "hardtanh"):
            text = (
                f"the loss takes probabilities, but the outputs were cut by {last} to "
                f"{seen.low:.2g} to {seen.high:.2g}: where they are cut no gradient "
                f"passes"
            )
        else:
            return
        yield self.finding(
            text,
            evidence=(
                Evidence(
                    quantity=OUTPUT_MAX.name,
                    site="",
                    step=trace.last_step,
                    value=seen.high,
                    limit=self.above,
                    note=f"{kind}, {last or 'no activation'} on the graph",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )
