"""use-momentum."""

from dataclasses import dataclass

from reluctant.records import Finding, Prescription, SwapOptimizer, Trace
from reluctant.remedies._base import Remedy
from reluctant.remedies._doses import dosed


@dataclass(frozen=True)
class UseMomentum(Remedy):
    """Let momentum carry the steps.

    ## When it helps
    Gradients point across a narrow valley: what alternates cancels, what stays adds
    up. It is also the usual rule beside Adam.

    ## When it hurts
    Noise adds up as well. With the same rate it takes 1/(1 − momentum) times the
    step, which is why the rate falls with it.

    ## What it changes
    The optimizer, with a fresh state; from plain descent the rate is divided by
    what momentum multiplies it with, from Adam it becomes ten times as large.

    ## Options
    - `momentum`: Share of the last step that is kept.

    ## References
    - [Polyak1964] Some methods of speeding up the convergence of iteration methods.
    """

    momentum: float = 0.9

    treats = ()
    may_treat = ("*",)

    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """Swap, unless it is there already."""
        groups = trace.setup.groups
        rate = groups[0].options.get("lr") if groups else None
        if not isinstance(rate, float | int) or groups[0].options.get("momentum"):
            return None
        is_plain = groups[0].optimizer == "SGD"
        new = rate * (1 - self.momentum) if is_plain else 10 * rate
        return dosed(
            self.name(),
            finding.code,
            SwapOptimizer("momentum", new, self.momentum),
            "steps may cancel across a narrow valley",
            trace,
        )
