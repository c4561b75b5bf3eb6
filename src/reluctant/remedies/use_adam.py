"""use-adam."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SwapOptimizer, Trace
from reluctant.remedies._base import Remedy
from reluctant.remedies._doses import dosed


@dataclass(frozen=True)
class UseAdam(Remedy):
    """Let Adam take the steps.

    ## When it helps
    Gradients differ by orders of magnitude between layers or features; Adam gives
    each parameter a step of its own. At its default rate it is a safe first choice.

    ## When it hurts
    It has its own limit of the step, and weight decay means something else in it.
    It does not free networks that are stuck in a basin.

    ## What it changes
    The optimizer, with a fresh state; the rate is Adam's usual one.

    ## Options
    - `rate`: Adam's usual one.

    ## References
    - [Kingma2015] Adam: a method for stochastic optimization.
    """

    rate: float = 0.001

    treats = ()
    may_treat = ("GRD101", "STP101", "STP201", "*")

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap, unless it is there already."""
        if any(g.optimizer in ("Adam", "AdamW") for g in trace.setup.groups):
            return None
        return dosed(
            self.name(),
            finding.code,
            SwapOptimizer("adam", self.rate),
            "steps of one rate for all parameters may not suit them",
            trace,
        )
