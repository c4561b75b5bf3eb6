"""UNT201 dead-output-unit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import FIRING_RATE, LOSS, TARGET_COUNT, TARGET_MEAN
from reluctant.rules._base import Blind, Rule
from reluctant.rules._certificates import certificates, in_short
from reluctant.rules._loss import sound
from reluctant.rules._silence import heads, silent
from reluctant.stats import rate_bound


@dataclass(frozen=True)
class DeadOutputUnit(Rule):
    """Some outputs are silent for every input, though their targets are not.

    ## Why it stops training
    A rectifier on the output that is off for every sample passes no gradient, and no
    other unit can make up for it: what this output stands for, a class or a target, is
    lost. One long step suffices to push its bias and weights to where no input reaches.

    ## How it is measured
    As in UNT101, for the units of the layer that the loss reads: silent at every
    sampled step and without any gradient in every step, from some step on until the
    end. An output whose targets are never positive is silent rightly.

    ## Sick
    ```python
    model = rectified_head(bias=-100.0); loss, y = F.mse_loss, F.one_hot(y, 4).float()
    ```

    ## Healthy
    ```python
    model = rectified_head(bias=0.1); loss, y = F.mse_loss, F.one_hot(y, 4).float()
    ```

    ## Blind spots
    Under a small initial scale outputs are born silent and may wake when the layers
    below begin to move; such an output takes `waking` samples to be called dead.

    ## Options
    - `min_samples`: Silent samples it takes for an output that fired once.
    - `born`: Silent samples it takes for an output that never fired and lies deep.
    - `waking`: Silent samples it takes for an output that never fired and hovers just
      below 0. Under an initial deviation of 0.01 such outputs woke within 10,000.
    - `depth`: What counts as deep: how far below 0 the largest pre-activation lies, in
      units of the layer's RMS.
    - `expected`: How often it would have fired since, at its earlier rate.
    - `times`: How many of its own longest silences this one must last.

    ## References
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    - [Farias2024] Self-normalized resets for plasticity in continual learning.
    """

    min_samples: int = 500
    born: int = 1500
    waking: int = 15_000
    depth: float = 0.5
    expected: float = 20.0
    times: float = 3.0

    code = "UNT201"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)  # a network without rectifiers is clear, not blind

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all outputs that are dead."""
        whole, trace = trace, sound(trace)
        if not whole.setup.layers:
            raise Blind("the layers were never seen to run")
        seen = [s for layer in heads(whole) if (s := silent(trace, layer))]
        if heads(whole) and not seen:
            raise Blind("the outputs were never sampled")
        samples = (trace.last_step + 1) * (trace.setup.batch_size or 1)
        if seen and samples < self.min_samples:
            raise Blind(f"{samples} samples, {self.min_samples} needed")
        for s in seen:
            mask = s.dead(
                min_samples=self.min_samples,
                born=self.born,
                expected=self.expected,
                times=self.times,
            )
            hovers = ~s.ever & (s.depth < self.depth) & (s.samples < self.waking)
            mask &= ~hovers & _wanted(trace, s.since.size)
            if not mask.any():
                continue
            units = sorted(np.flatnonzero(mask), key=lambda u: (s.since[u], u))
            site, died = s.layer.site, [u for u in units if s.ever[u]]
            first = int(s.since[units[0]])
            born = (
                f", {len(units) - len(died)} never fired"
                if len(died) < len(units)
                else ""
            )
            deaths = ", ".join(f"{u} at step {s.since[u]}" for u in died[:4])
            more = ", …" if len(died) > 4 else ""
            told = f": {deaths}{more}" if died else ""
            known = certificates(trace, s, mask)
            short = {c.unit: in_short([c]) for c in known}
            yield self.finding(
                f"{len(units)} of {mask.size} outputs of {site} (limit 0) are silent "
                f"for every input{told}{born}; 0 of {s.samples[mask].min():,.0f} "
                f"samples or more",
                evidence=tuple(
                    Evidence(
                        quantity=FIRING_RATE.name,
                        site=site,
                        step=int(s.since[u]),
                        value=0.0,
                        limit=rate_bound(float(s.samples[u])),
                        note=f"output {u}: 0 of {s.samples[u]:,.0f} samples since step "
                        f"{s.since[u]}"
                        + (
                            f", {s.rate[u]:.2g} before"
                            if s.ever[u]
                            else ", never fired"
                        )
                        + (f"; {short[int(u)]}" if short[int(u)] else ""),
                    )
                    for u in units
                ),
                since_step=first,
                confidence=(
                    Confidence.HIGH if s.is_exact and died else Confidence.MEDIUM
                ),
                units={site: tuple(int(u) for u in units)},
                certificates=known,
            )


def _wanted(trace: Trace, outputs: int) -> NDArray[np.bool_]:
    """Which outputs have a target that asks for more than 0."""
    for quantity in (TARGET_MEAN, TARGET_COUNT):
        values = trace.units(quantity, "").values
        if values.shape[1:] == (outputs,):
            return np.asarray((values > 0).any(axis=0))
    return np.ones(outputs, np.bool_)
