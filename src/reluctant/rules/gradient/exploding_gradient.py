"""GRD102 exploding-gradient."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import GRAD_RMS, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._depth import over_sequence, profile
from reluctant.rules._loss import course, sound
from reluctant.rules._notes import fed_nonfinite
from reluctant.rules._rise import rise


@dataclass(frozen=True)
class ExplodingGradient(Rule):
    """The gradient grows by orders of magnitude, over the depth or over time.

    ## Why it stops training
    A step is as long as the gradient is large. One that is a thousand times longer than
    those before carries the weights to where nothing learnt so far holds.

    ## How it is measured
    Against the network's own scale, for an unscaled regression has large gradients and
    trains. Over time: the RMS over all parameters, against the least of the first
    samples. Over depth, at the start: the gradient at the output of the first layers
    against that at the head. One of them past its limit, and harm: a loss that rises
    for good or is no number. Growth over depth also counts where the loss stays no
    better than the best constant's. A recurrent weight has a depth of its own, the
    length of the sequence: there it is the gradient at its first use against that at
    its last.

    ## Sick
    ```python
    lr, loss, y = 0.5, F.mse_loss, F.one_hot(y, 4).float()
    ```

    ## Healthy
    ```python
    lr, loss, y = 0.05, F.mse_loss, F.one_hot(y, 4).float()
    ```

    ## Blind spots
    A single large gradient between two sampled steps is missed. Steps that are too long
    make gradients explode, and a start that is too large does: STP101 and INI102 are
    then the cause and this is how it shows.

    ## Options
    - `decades`: Growth over time. Healthy runs stay within 1.5 of their first steps.
    - `depth_decades`: Growth from the head to the first layers.
    - `sequence_decades`: The same from a weight's last use to its first: a hundredfold.
      Recurrent networks that learn stay within 0.5.
    - `early`: How many samples make the scale to compare with.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.

    ## References
    - [Pascanu2013] On the difficulty of training recurrent neural networks.
    """

    decades: float = 2.0
    depth_decades: float = 3.0
    sequence_decades: float = 2.0
    early: int = 3
    skill: float = 0.02

    code = "GRD102"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, GRAD_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if gradients exploded and harm came of it."""
        run = course(trace)
        steps, sizes = _total(sound(trace))
        place, through = over_sequence(trace)
        is_sequence = through > self.sequence_decades
        if len(steps) < self.early + 1 and run.broke < 0 and not is_sequence:
            raise Blind(f"{len(steps)} samples of grad_rms, {self.early + 1} needed")
        if run.broke >= 0 and fed_nonfinite(trace):
            return
        harm = "the loss is no number any more" if run.broke >= 0 else ""
        up = rise(trace, factor=2.0, min_steps=10)
        if up and not harm:
            harm = f"the loss rises from {run.start:.3g} to {up.late:.3g}"
        # the first sample is the scale where growth sets in at once
        early = float(np.min(sizes[: self.early])) if sizes.size else math.nan
        growth = math.log10(sizes.max() / early) if early > 0 else math.nan
        way = profile(sound(trace), 0, 3)
        known = way.backward[np.isfinite(way.backward)]
        depth = float(known[0] - known[-1]) if known.size > 2 else math.nan
        if is_sequence:
            depth = through
        elif way.layers:
            place = way.layers[0].site
        over_depth = is_sequence or depth > self.depth_decades
        if over_depth and not harm:
            learnt = skill(trace)
            if trace.last_step >= 30 and learnt.is_none(self.skill):
                harm = f"skill after {trace.last_step + 1} steps {learnt.value:.3f}"
        if not harm or not (over_depth or growth > self.decades):
            return
        peak = int(np.argmax(sizes)) if sizes.size else -1
        over = np.flatnonzero(sizes > early * 10**self.decades)
        since = 0 if over_depth else int(steps[over[0]])
        if is_sequence:
            told = (
                f"the gradient of {place} grows by {depth:.1f} decades from the end of "
                f"the sequence to its beginning (limit {self.sequence_decades:g})"
            )
        elif over_depth:
            told = (
                f"the gradient at {place} is {depth:.1f} decades above that at the "
                f"head (limit {self.depth_decades:g})"
            )
        else:
            told = (
                f"the gradient RMS over all parameters is {sizes[peak]:.2g} at step "
                f"{steps[peak]}, {growth:.1f} decades above its first samples (limit "
                f"{self.decades:g})"
            )
        yield self.finding(
            f"{told}; {harm}",
            evidence=(
                Evidence(
                    quantity=GRAD_RMS.name,
                    site=place if over_depth else "",
                    step=int(steps[peak]) if sizes.size else 0,
                    value=depth if over_depth else growth,
                    limit=self.depth_decades if over_depth else self.decades,
                    note="decades over the depth"
                    if over_depth
                    else "decades over time",
                ),
            ),
            since_step=since,
            confidence=Confidence.HIGH if up or over_depth else Confidence.MEDIUM,
        )


def _total(trace: Trace) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Gradient RMS over all parameters at each sampled step; finite steps only."""
    size = {p.name: math.prod(p.shape) for p in trace.setup.parameters}
    squares: dict[int, float] = {}
    counts: dict[int, int] = {}
    for site in trace.sites(GRAD_RMS):
        n = size.get(site, 1)
        steps, values = trace.series(GRAD_RMS, site)
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            with np.errstate(all="ignore"):
                squares[step] = squares.get(step, 0.0) + n * float(np.square(value))
            counts[step] = counts.get(step, 0) + n
    rows = [
        (step, math.sqrt(total / counts[step]))
        for step, total in sorted(squares.items())
        if math.isfinite(total) and total > 0
    ]
    at, sizes = zip(*rows, strict=True) if rows else ((), ())
    return np.array(at, np.int64), np.array(sizes, np.float64)
