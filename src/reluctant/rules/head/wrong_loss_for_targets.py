"""HED401 wrong-loss-for-targets."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, OUTPUT_MIN, TARGET_WHOLE
from reluctant.rules._base import Rule
from reluctant.rules.head._seen import Head, head


@dataclass(frozen=True)
class WrongLossForTargets(Rule):
    """The loss compares outputs and targets in a way that cannot be meant.

    ## Why it stops training
    A column of outputs against a row of targets is compared each with each: the best
    answer is then the mean of all targets, for every input. Cross-entropy of a single
    output is 0 whatever it says. Binary cross-entropy of targets beyond 0 and 1 has no
    least value. Class numbers under a squared error say that class 9 is nine times
    class 1.

    ## How it is measured
    The shapes of outputs and targets before the loss made them fit each other; the
    width of the outputs; the range of the targets; and whether the targets of one
    output are whole numbers of a few classes.

    ## Sick
    ```python
    lr = 0.002
    loss = lambda outputs, y: (outputs[:, :1] - y).square().mean()
    ```

    ## Healthy
    ```python
    lr = 0.002
    loss = lambda outputs, y: (outputs[:, 0] - y).square().mean()
    ```

    ## Blind spots
    Class numbers that are also amounts, such as counts and ages, are a note: only
    their author knows.

    ## Options
    - `outside`: How far a target of binary cross-entropy may lie outside [0, 1].
    - `classes`: Up to so many whole targets look like classes.

    ## References
    - [PyTorchMSE] torch.nn.functional.mse_loss: warns of sizes that differ.
    """

    outside: float = 1e-3
    classes: int = 20

    code = "HED401"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MIN)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding for the way in which they do not fit."""
        seen = head(trace)
        severity, confidence = Severity.ERROR, Confidence.HIGH
        loss, value, limit = seen.loss, 1.0, 0.0
        if loss.is_broadcast:
            other = f"shape {loss.target_shape}" if loss.target_shape else "another"
            text = (
                f"outputs of shape {loss.shape} meet targets of {other}, so the "
                f"loss compares every output with every target"
            )
        elif loss.kind in ("cross-entropy", "nll") and loss.outputs == 1:
            text = (
                "cross-entropy of one output is 0 whatever it says: give each class one"
            )
            value, limit = 1.0, 2.0
        elif loss.kind in ("bce", "bce-with-logits") and self._is_outside(seen):
            text = (
                f"targets from {seen.target_low:.3g} to {seen.target_high:.3g} are no "
                f"probabilities, and {loss.kind} has no least value beyond [0, 1]"
            )
            value, limit = max(seen.target_high, -seen.target_low), 1.0
        elif self._are_classes(trace, seen):
            text = (
                f"targets are the whole numbers {seen.target_low:.0f} to "
                f"{seen.target_high:.0f}, which a squared error takes for amounts; if "
                f"they are classes, give each an output and use cross-entropy"
            )
            severity, confidence = Severity.NOTE, Confidence.LOW
        else:
            return
        yield self.finding(
            text,
            evidence=(
                Evidence(
                    quantity="loss",
                    site="",
                    step=0,
                    value=value,
                    limit=limit,
                    note=f"{loss.kind or 'loss of unknown kind'}",
                ),
            ),
            since_step=0,
            severity=severity,
            confidence=confidence,
        )

    def _is_outside(self, seen: Head) -> bool:
        return bool(
            seen.target_low < -self.outside or seen.target_high > 1 + self.outside
        )

    def _are_classes(self, trace: Trace, seen: Head) -> bool:
        whole = trace.series(TARGET_WHOLE).values
        if seen.loss.kind not in ("mse", "l1", "huber") or seen.loss.outputs != 1:
            return False
        if not whole.size or not np.nanmin(whole) >= 1:
            return False
        return bool(seen.target_low >= 0 and 2 <= seen.target_high <= self.classes)
