"""LOP201 parameter-not-in-optimizer."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reluctant.records import (
    Confidence,
    Evidence,
    Finding,
    Parameter,
    Setup,
    Severity,
    Trace,
)
from reluctant.records.quantities import GRAD_RMS, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules.loop._fresh import looks_fresh


@dataclass(frozen=True)
class ParameterNotInOptimizer(Rule):
    """Some parameters receive gradients that no optimizer applies.

    ## Why it stops training
    Such a parameter stays as it was drawn, while the rest of the network learns around
    it. The loss falls, only not as far; nothing else shows.

    ## How it is measured
    Parameters with `requires_grad` that the loss depends on and that belong to no
    parameter group. A weight among them makes it an error, for a layer is then missing;
    biases and scales alone are a warning. Where these are all the layers up to a point
    and their weights no longer look as a standard initialization draws them, a trained
    body is being used under a new head: that is a note. And what a module keeps in a
    plain list or mapping, where `parameters()` does not look, if the loss depends on it
    and no optimizer owns it; and the parameters of another model, if the loss depends
    on those and on none that the optimizer holds.

    ## Sick
    ```python
    parameters = [p for name, p in model.named_parameters() if "2" not in name]
    ```

    ## Healthy
    ```python
    parameters = [p for name, p in model.named_parameters() if "x" not in name]
    ```

    ## Blind spots
    An optimizer that was made but never stepped counts as one that owns its parameters.
    A parameter that the loss does not reach is no concern of this rule.

    ## Options
    - `min_steps`: How many steps must have passed. An optimizer made a few steps late
      is ordinary in code that unfreezes layers one by one.
    - `fresh`: How close, in standard errors, a weight's spread must be to that of a
      standard scheme to count as freshly drawn. A trained weight of 10,000 entries is
      hundreds away.

    ## References
    - [PyTorchOptim] torch.optim: constructing an optimizer.
    """

    min_steps: int = 3
    fresh: float = 4.0

    code = "LOP201"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all parameters that no optimizer owns."""
        setup, steps = trace.setup, len(trace.series(LOSS).steps)
        if not setup.parameters:
            raise Blind("the model's parameters were never listed")
        if steps < self.min_steps:
            raise Blind(f"{steps} steps, {self.min_steps} needed")
        if setup.unlisted:
            told = (
                "which model.parameters() does not know: keep layers in nn.ModuleList "
                "or nn.ModuleDict, and tensors as nn.Parameter"
            )
            yield self._of(setup.unlisted, told)
        if setup.strangers:
            told = (
                "and on nothing that the optimizer holds: it is that of another model"
            )
            yield self._of(setup.strangers, told)
            return
        lost = [p for p in setup.parameters if _is_lost(p, trace)]
        if not lost:
            return
        if not setup.groups and trace.notes("by-hand"):
            return  # a loop that steps by itself needs no optimizer
        reached = [p for p in setup.parameters if p.requires_grad]
        entries = sum(math.prod(p.shape) for p in lost)
        share = entries / max(1, sum(math.prod(p.shape) for p in reached))
        is_body = _is_body(lost, reached) and not self._looks_fresh(lost)
        has_weight = any(len(p.shape) > 1 for p in lost)
        severity = Severity.ERROR if has_weight else Severity.WARNING
        others = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield self.finding(
            f"{lost[0].name}{others} ({entries:,} entries, {share:.1%} of what has "
            f"requires_grad, limit 0) belong to no optimizer",
            evidence=tuple(
                Evidence(
                    quantity="optimizers",
                    site=p.name,
                    step=trace.last_step,
                    value=0.0,
                    limit=1.0,
                    note=f"shape {p.shape}",
                )
                for p in lost
            ),
            since_step=0,
            severity=Severity.NOTE if is_body else severity,
            confidence=Confidence.MEDIUM if is_body else Confidence.HIGH,
        )

    def _of(self, names: Sequence[str], told: str) -> Finding:
        """What the loss depends on, and the optimizer does not know."""
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return self.finding(
            f"the loss depends on {names[0]}{others} (limit 0), {told}",
            evidence=tuple(
                Evidence(
                    quantity="optimizers",
                    site=name,
                    step=0,
                    value=0.0,
                    limit=1.0,
                    note="in no optimizer",
                )
                for name in names
            ),
            since_step=0,
        )

    def _looks_fresh(self, lost: list[Parameter]) -> bool:
        """Whether most of the weights are spread as a standard scheme draws them."""
        weights = [p for p in lost if len(p.shape) > 1 and p.std > 0]
        marks = [looks_fresh(p, self.fresh) for p in weights]
        return not marks or float(np.mean(marks)) > 0.5


def _is_lost(parameter: Parameter, trace: Trace) -> bool:
    setup: Setup = trace.setup
    if not parameter.requires_grad or parameter.group is not None:
        return False
    if parameter.name in setup.unreached:
        return False
    gradients = trace.series(GRAD_RMS, parameter.name).values
    return not gradients.size or bool((gradients != 0).any())


def _is_body(lost: list[Parameter], reached: list[Parameter]) -> bool:
    """Whether the lost ones are all the parameters up to some point."""
    names = {p.name for p in lost}
    front = [p.name in names for p in reached]
    return len(lost) < len(reached) and all(front[: len(lost)])
