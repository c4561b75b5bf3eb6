"""GRD401 clipped-always."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_RMS, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules._optimizers import is_adaptive


@dataclass(frozen=True)
class ClippedAlways(Rule):
    """Every gradient is clipped, so the steps have one length, and a short one.

    ## Why it stops training
    Clipping is there for the rare gradient that is far too long. Where every gradient
    is longer than the limit, all steps have the length of the limit times the learning
    rate, whatever the loss says; a limit that is too small is a learning rate that is.

    ## How it is measured
    The norm of all gradients together, as the optimizer saw them, at each sampled step:
    the same to a thousandth from the first to the last, which no gradient is by itself.
    And the network has learnt little.

    ## Sick
    ```python
    before_step = lambda m: nn.utils.clip_grad_norm_(m.parameters(), 1e-3)
    ```

    ## Healthy
    ```python
    before_step = lambda m: nn.utils.clip_grad_norm_(m.parameters(), 1e3)
    ```

    ## Blind spots
    Clipping by value, and optimizers that scale their steps by the gradient's size:
    for those the limit does not matter.

    ## Options
    - `spread`: Relative distance of the largest norm from the smallest.
    - `skill`: Below this the network has learnt little.
    - `min_samples`: How many steps must have been sampled.
    - `min_steps`: How many steps the network is given to learn.

    ## References
    - [Pascanu2013] On the difficulty of training recurrent neural networks.
    """

    spread: float = 2e-3
    skill: float = 0.5
    min_samples: int = 6
    min_steps: int = 60

    code = "GRD401"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, GRAD_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the gradient's norm never changes."""
        if is_adaptive(trace):
            return
        part = sound(trace)
        norms = _norms(part)
        if len(norms) < self.min_samples:
            raise Blind(f"{len(norms)} norms were sampled, {self.min_samples} needed")
        low, high = float(norms.min()), float(norms.max())
        if not low > 0 or high > low * (1 + self.spread):
            return
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(part)
        if not np.isfinite(learnt.value) or learnt.value >= self.skill:
            return
        yield self.finding(
            f"the norm of all gradients is {low:.3g} at each of {len(norms)} sampled "
            f"steps (spread {high / low - 1:.1e}, limit {self.spread:g}): every one "
            f"was "
            f"clipped, and the skill is {learnt.value:.2f}",
            evidence=(
                Evidence(
                    quantity=GRAD_RMS.name,
                    site="",
                    step=part.last_step,
                    value=high / low - 1,
                    limit=self.spread,
                    note=f"norm over all parameters, {low:.6g} to {high:.6g}",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )


def _norms(trace: Trace) -> np.ndarray:
    """Norm of all gradients at each sampled step at which all were seen."""
    sizes = {p.name: prod(p.shape) for p in trace.setup.parameters}
    total: dict[int, float] = {}
    seen: dict[int, int] = {}
    sites = [site for site in trace.sites(GRAD_RMS) if site in sizes]
    for site in sites:
        steps, values = trace.series(GRAD_RMS, site)
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            total[step] = total.get(step, 0.0) + sizes[site] * value * value
            seen[step] = seen.get(step, 0) + 1
    whole = [total[step] for step in sorted(total) if seen[step] == len(sites)]
    with np.errstate(over="ignore", invalid="ignore"):
        norms: np.ndarray = np.sqrt(np.array(whole, np.float64))
    finite: np.ndarray = norms[np.isfinite(norms)]
    return finite
