"""LOP302 step-without-backward."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_MISSING, SIGNAL_GRAD_RMS
from reluctant.rules._base import Blind, Rule


@dataclass(frozen=True)
class StepWithoutBackward(Rule):
    """The optimizer steps, but there is no gradient to step along.

    ## Why it stops training
    `optimizer.step()` moves a parameter along its `.grad`. Where `zero_grad` stands
    between `backward` and `step`, or `backward` is never called, there is none, and the
    step does nothing. No error is raised.

    ## How it is measured
    At each sampled step the share of the optimizer's parameters without a gradient, or
    with nothing but zeros. All of them, although a gradient did pass back through the
    layers in the same step: it was cleared. All of them and none passed: `backward` did
    not run.

    ## Sick
    ```python
    before_step = lambda model: model.zero_grad()
    ```

    ## Healthy
    ```python
    before_step = lambda model: model.train()
    ```

    ## Blind spots
    A network whose outputs are all dead has gradients of exactly zero as well; it is
    told apart only where the layers were seen.

    ## Options
    - `share`: Share of the sampled steps that must be so.
    - `min_samples`: How many steps must have been sampled.

    ## References
    - [PyTorchOptim] torch.optim: taking an optimization step.
    """

    share: float = 0.8
    min_samples: int = 3

    code = "LOP302"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (GRAD_MISSING,)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if steps had nothing to step along."""
        steps, missing = trace.series(GRAD_MISSING)
        keep = np.isfinite(missing)
        steps, missing = steps[keep], missing[keep]
        if len(missing) < self.min_samples:
            raise Blind(f"{len(missing)} steps were sampled, {self.min_samples} needed")
        empty = missing >= 1
        if empty.mean() < self.share:
            return
        passed = _passed(trace, steps[empty])
        if trace.sites(SIGNAL_GRAD_RMS) and not passed:
            return  # zeros all the way: the outputs are dead
        how = (
            "though one had passed back through the layers: it was cleared before the "
            "step"
            if passed
            else "and none passed back through the layers: backward() did not run"
        )
        yield self.finding(
            f"no parameter had a gradient in {empty.sum()} of {len(empty)} sampled "
            f"steps "
            f"(limit {self.share:.0%}), {how}",
            evidence=(
                Evidence(
                    quantity=GRAD_MISSING.name,
                    site="",
                    step=int(steps[-1]),
                    value=float(empty.mean()),
                    limit=self.share,
                    note="share of sampled steps without any gradient",
                ),
            ),
            since_step=int(steps[np.argmax(empty)]),
            confidence=Confidence.HIGH,
        )


def _passed(trace: Trace, steps: np.ndarray) -> bool:
    """Whether a gradient passed back through any layer in most of these steps."""
    seen: set[int] = set()
    for site in trace.sites(SIGNAL_GRAD_RMS):
        at, values = trace.series(SIGNAL_GRAD_RMS, site)
        seen |= set(at[values > 0].tolist())
    hits = [step for step in steps.tolist() if step in seen]
    return 2 * len(hits) > len(steps)
