"""HED401 wrong-loss-for-targets."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    INPUT_DISTANCES,
    LOSS,
    OUTPUT_MEAN,
    OUTPUT_MIN,
    TARGET_MEAN,
    TARGET_MEDIAN,
    TARGET_MEDIAN_SHARE,
    TARGET_WHOLE,
)
from reluctant.rules._base import Rule
from reluctant.rules._loss import late_step
from reluctant.rules.head._seen import Head, head


@dataclass(frozen=True)
class WrongLossForTargets(Rule):
    """The loss compares outputs and targets in a way that cannot be meant.

    ## Why it stops training
    A column of outputs against a row of targets is compared each with each: the best
    answer is then the mean of all targets, for every input. Cross-entropy of a single
    output is 0 whatever it says. Binary cross-entropy of targets beyond 0 and 1 has no
    least value. Class numbers under a squared error say that class 9 is nine times
    class 1. The best answer to an absolute error is the median: where most targets are
    one number, such as no rain, it is that number for nearly every input.

    ## How it is measured
    The shapes of outputs and targets before the loss made them fit each other; the
    width of the outputs; the range of the targets; and whether the targets of one
    output are whole numbers of a few classes. Whether these are amounts shows in the
    inputs: of amounts, inputs with targets far apart are farther from each other than
    those with targets one apart; of classes only equal and unequal differ. For an
    absolute error, whether most targets equal their median, and the outputs late in the
    run, on average, lie nearer to it than to the targets' mean.

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
    Class numbers of which the inputs do not say whether they are amounts are a note:
    only their author knows.

    ## Options
    - `outside`: How far a target of binary cross-entropy may lie outside [0, 1].
    - `classes`: Up to so many whole targets look like classes.
    - `order`: What distant targets add to the distance of inputs, beyond neighboring
      ones, over what unequal ones add to equal ones. Near 1 for amounts, 0 for classes.
    - `told`: By how much unequal targets must add to the distance, for this to be seen.
    - `mostly`: Share of targets that equal their median.
    - `min_steps`: How many steps a network is given to get off that median.

    ## References
    - [PyTorchMSE] torch.nn.functional.mse_loss: warns of sizes that differ.
    """

    outside: float = 1e-3
    classes: int = 20
    order: float = 0.2
    told: float = 0.05
    mostly: float = 0.5
    min_steps: int = 200

    code = "HED401"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, OUTPUT_MIN)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding for the way in which they do not fit."""
        seen = head(trace)
        severity, confidence = Severity.ERROR, Confidence.HIGH
        loss, value, limit = seen.loss, 1.0, 0.0
        quantity = "loss"
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
        elif text := self._sits_on_median(trace, seen):
            severity, confidence = Severity.WARNING, Confidence.MEDIUM
            quantity = TARGET_MEDIAN_SHARE.name
            value, limit = _median_share(trace), self.mostly
        elif self._are_classes(trace, seen):
            text = (
                f"targets are the whole numbers {seen.target_low:.0f} to "
                f"{seen.target_high:.0f}, which a squared error takes for amounts; if "
                f"they are classes, give each an output and use cross-entropy"
            )
            severity, confidence = Severity.NOTE, Confidence.LOW
            order, told = self._order(trace)
            if order < self.order:
                severity, confidence = Severity.WARNING, Confidence.MEDIUM
                text += (
                    f". The inputs tell them apart, but not by their order: those of "
                    f"distant numbers differ no more than those of neighbors ({told})"
                )
                quantity, value, limit = INPUT_DISTANCES.name, order, self.order
        else:
            return
        yield self.finding(
            text,
            evidence=(
                Evidence(
                    quantity=quantity,
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

    def _order(self, trace: Trace) -> tuple[float, str]:
        """How far the order of the targets shows in the inputs; inf where none does."""
        apart = trace.units(INPUT_DISTANCES, "").values
        if apart.ndim != 2 or len(apart) < 3:
            return np.inf, ""
        same, near, far = apart.mean(0)
        gains = (apart[:, 2] - apart[:, 1]) / far
        error = float(gains.std() / np.sqrt(len(gains)))
        told = float(1 - same / far)
        if not told > self.told:
            return np.inf, ""
        # two standard errors to the safe side
        order = (float(gains.mean()) + 2 * error) / told
        return order, f"{far / near:.2f} times, unlike equal ones: {near / same:.2f}"

    def _sits_on_median(self, trace: Trace, seen: Head) -> str:
        """What is said of outputs that stay where most targets are; else `""`."""
        if seen.loss.kind != "l1" or trace.last_step + 1 < self.min_steps:
            return ""
        share = _median_share(trace)
        outputs, targets = (trace.units(q, "") for q in (OUTPUT_MEAN, TARGET_MEAN))
        half = late_step(trace, 0.5)
        out = outputs.values[outputs.steps >= half]
        want = targets.values[targets.steps >= half]
        if not share >= self.mostly or len(out) < 3:
            return ""
        median = float(np.median(trace.series(TARGET_MEDIAN).values))
        mean, got = float(want.mean()), float(out.mean())
        error = float(want.mean(1).std() / np.sqrt(len(want)))
        if abs(mean - median) < 4 * error or not abs(got - median) < abs(mean - got):
            return ""
        return (
            f"{share:.0%} of the targets are {median:.4g} (limit "
            f"{self.mostly:.0%}), and the outputs, {got:.3g} on average late in the "
            f"run, stay there, though the targets' mean is {mean:.3g}: that is what an "
            f"absolute error asks for; a squared error asks for the mean"
        )

    def _are_classes(self, trace: Trace, seen: Head) -> bool:
        whole = trace.series(TARGET_WHOLE).values
        if seen.loss.kind not in ("mse", "l1", "huber") or seen.loss.outputs != 1:
            return False
        if not whole.size or not np.nanmin(whole) >= 1:
            return False
        return bool(seen.target_low >= 0 and 2 <= seen.target_high <= self.classes)


def _median_share(trace: Trace) -> float:
    """Share of targets that equal their batch's median; nan if unknown."""
    share = trace.series(TARGET_MEDIAN_SHARE).values
    return float(np.median(share)) if len(share) else np.nan
