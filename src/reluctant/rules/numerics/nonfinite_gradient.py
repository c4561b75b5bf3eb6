"""NUM103 nonfinite-gradient."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_NONFINITE, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._broken_gradient import BrokenGradient, broken_gradient

_POLES = ("Acos", "Asin", "LinalgVectorNorm", "Log", "Norm", "Pow", "Rsqrt", "Sqrt")


@dataclass(frozen=True)
class NonfiniteGradient(Rule):
    """The loss is an ordinary number, its gradient is none.

    ## Why it stops training
    Some operations have a value where they have no derivative: the root of 0, the
    spread of equal entries, a quotient of roots. Others are left out forward and still
    pass back: a logarithm of 0 behind a `where` sends back 0 · inf, which is nan. One
    such gradient makes all weights before it nan with the next step.

    ## How it is measured
    At sampled steps, the share of each gradient's entries that is no number, and for
    every operation whose derivative has a pole whether it was given a finite gradient
    and passed back none. At other steps, the weights that were found broken right after
    a step with a finite loss: the operation lies behind the last of them. The loss must
    not have left its scale before, for then it is too long a step.

    ## Sick
    ```python
    model.append(type("Root", (nn.Module,), {"forward": lambda s, z: (0 * z).sqrt()})())
    ```

    ## Healthy
    ```python
    model.append(type("Root", (nn.Module,), {"forward": lambda s, z: z + 0.0})())
    ```

    ## Blind spots
    Of steps that a loss scaler leaves out, only what stands behind a pole. Between
    sampled steps the operation is not seen at work, only where it must stand.

    ## Options
    - `share`: Share of a gradient's entries above which it is broken: one entry is
      enough to break the weights.

    ## References
    - [Goldberg1991] What every computer scientist should know about floating-point
      arithmetic.
    """

    share: float = 0.0

    code = "NUM103"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if a gradient broke out of an ordinary loss."""
        if not len(trace.series(LOSS).steps):
            raise Blind("no loss was read")
        broken = broken_gradient(trace)
        if broken is None:
            return
        more = len(broken.sites) - 1
        of = f" of {broken.sites[0]}" if broken.sites[0] else ""
        others = f" and of {more} more" if more else ""
        yield self.finding(
            f"the gradient{of}{others} holds nan or inf at step "
            f"{broken.step}, where the loss is {broken.loss:.4g}"
            f"{_source(broken) or _in_graph(trace)}",
            evidence=tuple(
                Evidence(
                    quantity=GRAD_NONFINITE.name,
                    site=site,
                    step=broken.step,
                    value=_share(trace, site),
                    limit=self.share,
                    note="share of its entries at the first such step",
                )
                for site in broken.sites
            ),
            since_step=broken.step,
            severity=Severity.ERROR if broken.is_lasting else Severity.WARNING,
            confidence=(
                Confidence.HIGH
                if broken.is_seen or broken.operation
                else Confidence.MEDIUM
            ),
        )


def _source(broken: BrokenGradient) -> str:
    behind = f" behind {broken.layer}" if broken.layer else ""
    if broken.is_seen:
        return (
            f": {broken.operation}{behind} was given a finite one and passed back none"
        )
    if broken.operation:
        return (
            f": it broke{behind or ' in the loss'}, where these have derivatives with "
            f"poles: {broken.operation}"
        )
    return f": it broke{behind}" if behind else ""


def _in_graph(trace: Trace) -> str:
    """What on the graph of the first loss has no derivative somewhere."""
    poles = [name.lower() for name in trace.setup.operations if name in _POLES]
    return f"; its graph holds {', '.join(poles)}" if poles else ""


def _share(trace: Trace, site: str) -> float:
    share = trace.series(GRAD_NONFINITE, site).values
    return float(max(share[share > 0][:1], default=1.0))
