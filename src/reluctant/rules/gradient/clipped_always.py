"""GRD401 clipped-always."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_MAX, GRAD_RMS, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._loss import last_fifth, sound
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
    Or the largest entry of all, the same number at each step, with most entries near
    it: they were clipped by value. And the network has learnt little, or crawls: the
    loss falls on to the end.

    ## Sick
    ```python
    before_step = lambda m: nn.utils.clip_grad_norm_(m.parameters(), 1e-3)
    ```

    ## Healthy
    ```python
    before_step = lambda m: nn.utils.clip_grad_norm_(m.parameters(), 1e3)
    ```

    ## Blind spots
    Optimizers that scale their steps by the gradient's size:
    for those the limit does not matter.

    ## Options
    - `spread`: Relative distance of the largest norm from the smallest.
    - `packed`: Root mean square of all entries over the largest one. Gradients of a
      network have 0.01 to 0.1; where all are clipped by value it is 1.
    - `skill`: Below this the network has learnt little.
    - `crawl`: Share of the whole fall of the loss that is of the last fifth of the run.
      A fall at one pace has 0.2, one that is over 0; a run that ends is below 0.03.
    - `min_samples`: How many steps must have been sampled.
    - `min_steps`: How many steps the network is given to learn.

    ## References
    - [Pascanu2013] On the difficulty of training recurrent neural networks.
    """

    spread: float = 2e-3
    packed: float = 0.3
    skill: float = 0.1
    crawl: float = 0.08
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
        norms, largest = _sizes(part)
        if len(norms) < self.min_samples:
            raise Blind(f"{len(norms)} norms were sampled, {self.min_samples} needed")
        entries = sum(prod(p.shape) for p in part.setup.parameters)
        packed = float(np.median(norms)) / max(entries, 1) ** 0.5
        if (
            largest.size
            and _spread(largest) < 1e-6
            and packed > self.packed * largest[0]
        ):
            spread, size, by = _spread(largest), float(largest[0]), "largest entry"
        else:
            spread, size, by = _spread(norms), float(norms.min()), "norm"
        if not spread <= self.spread:
            return
        if part.last_step + 1 < self.min_steps:
            raise Blind(f"{part.last_step + 1} steps, {self.min_steps} needed")
        learnt = skill(part)
        crawls = last_fifth(part) >= self.crawl
        if not (learnt.is_none(self.skill) or crawls):
            return
        yield self.finding(
            f"the {by} of all gradients is {size:.3g} at each of {len(norms)} sampled "
            f"steps (spread {spread:.1e}, limit {self.spread:g}): every one was "
            f"clipped, and the skill is {learnt.value:.2f}"
            + (" and still on the rise" if crawls else ""),
            evidence=(
                Evidence(
                    quantity=GRAD_RMS.name if by == "norm" else GRAD_MAX.name,
                    site="",
                    step=part.last_step,
                    value=spread,
                    limit=self.spread,
                    note=f"{by} over all parameters, {size:.6g}",
                ),
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )


def _spread(sizes: NDArray[np.float64]) -> float:
    """Relative distance of the largest from the smallest; inf where that is 0."""
    return float(sizes.max() / sizes.min() - 1) if sizes.min() > 0 else np.inf


def _sizes(trace: Trace) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Norm and largest entry of all gradients, at each step at which all were seen."""
    sizes = {p.name: prod(p.shape) for p in trace.setup.parameters}
    sites = [site for site in trace.sites(GRAD_RMS) if site in sizes]
    square: dict[int, float] = {}
    most: dict[int, float] = {}
    seen: dict[int, int] = {}
    for site in sites:
        steps, values = trace.series(GRAD_RMS, site)
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            square[step] = square.get(step, 0.0) + sizes[site] * value * value
            seen[step] = seen.get(step, 0) + 1
        steps, values = trace.series(GRAD_MAX, site)
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            most[step] = max(most.get(step, 0.0), value)
    whole = [step for step in sorted(square) if seen[step] == len(sites)]
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.array([square[step] for step in whole], np.float64))
    largest = np.array([most[step] for step in whole if step in most], np.float64)
    return norms[np.isfinite(norms)], largest[np.isfinite(largest)]
