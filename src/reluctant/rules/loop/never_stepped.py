"""LOP303 never-stepped."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Evidence, Finding, Severity, Trace
from reluctant.records.quantities import STEP_LOSSES
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class NeverStepped(Rule):
    """Losses go backward, and the optimizer never takes a step.

    ## Why it stops training
    `backward()` computes gradients, and `optimizer.step()` alone applies them. Without
    it, or where it stands behind a condition that never holds, no weight moves.

    ## How it is measured
    Losses that were handed to `backward()` while an optimizer was alive, no call of its
    `step()`, and parameters that are the same at the end as at the beginning.

    ## Sick
    ```python
    step = lambda scaler, optimizer: None
    ```

    ## Healthy
    ```python
    step = lambda scaler, optimizer: scaler.step(optimizer)
    ```

    ## Blind spots
    A loop that is stopped before its first step is due.

    ## Options
    - `losses`: How many there must have been.

    ## References
    - [PyTorchOptim] torch.optim: taking an optimization step.
    """

    losses: int = 10

    code = "LOP303"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (STEP_LOSSES,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if nothing was ever applied."""
        if not trace.notes("no-step"):
            return
        seen = trace.series(STEP_LOSSES).values
        losses = int(seen[-1]) if seen.size else 0
        if losses < self.losses:
            raise Blind(f"{losses} losses without a step, {self.losses} needed")
        yield self.finding(
            f"{losses} losses went backward (limit {self.losses}) and the optimizer "
            f"took no step: call optimizer.step() after each backward()",
            evidence=(
                Evidence(
                    quantity=STEP_LOSSES.name,
                    site="",
                    step=0,
                    value=float(losses),
                    limit=float(self.losses),
                    note="losses without a step",
                ),
            ),
            since_step=0,
        )
