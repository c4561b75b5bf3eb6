"""UNT103 born-dead-unit."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    FIRING_RATE,
    LOSS,
    PREACT_MAX,
    PREACT_VARIATION,
    UNIT_BIAS,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._certificates import certificates, in_short
from reluctant.rules._constant import skill
from reluctant.rules._depth import gains
from reluctant.rules._loss import sound
from reluctant.rules._silence import Silent, hidden, silent
from reluctant.stats import rate_bound


class _Born(NamedTuple):
    """A layer with units that were born dead.

    Attributes:
        layer: Its silence.
        mask: Shape `(units,)`: which they are.
        deep: Share of the layer that is, and lies deep below 0.
        reason: Why, as a clause; empty if it cannot be said.
    """

    layer: Silent
    mask: NDArray[np.bool_]
    deep: float
    reason: str


@dataclass(frozen=True)
class BornDeadUnit(Rule):
    """Units are silent from before the first step: the start left them no input.

    ## Why it stops training
    A rectifier that is off for every sample gets no gradient, so what was off at the
    start stays off. No step did it, and no shorter step prevents it: a bias below what
    the inputs can lift, or inputs that lie so far to one side of zero that a unit's
    sign is the same for all of them, before training has begun.

    ## How it is measured
    Units that have never fired nor got a gradient since the first step, as UNT101
    counts them, and the reason for it. Bias: taken away, the largest pre-activation
    would be above 0. Offset: the mean of what the layer receives, as its weights see
    it, is γ times what differs between samples; then of N samples a unit misses all
    with probability Φ(−z/γ), z = Φ⁻¹(1 − 1/N). Deep networks gather such an offset by
    themselves and bear it, so it counts at the first layer alone. Depth and width: a
    layer of few units that is off as a whole [Lu2019]. Where no reason is found
    UNT101 and UNT102 say it; layers behind a silent one are its consequence.

    ## Sick
    ```python
    model[0].bias.data[:] = -50.0
    ```

    ## Healthy
    ```python
    model[0].bias.data[:] = -0.5
    ```

    ## Blind spots
    Layers without a rectifier that can be silent. Outputs are UNT201.

    ## Options
    - `share`: Share of a layer that is born dead and deep, from which on it is found.
    - `depth`: What counts as deep, as in UNT101.
    - `most`: Share of a layer from which on it is found, deep or not.
    - `min_samples`: Silent samples it takes; for whole layers a third does.
    - `gamma`: Offset over spread from which on the offset is a reason: below it fewer
      than one unit in fifty is born dead.
    - `risk`: Probability that a whole layer is off for a given input, 1 − ∏ (1 − 2⁻ᴺ)
      over the layers, from which on narrowness is a reason.
    - `gain`: Weight scale over the one that keeps the signal's, below which it is not
      the bias that is at fault.
    - `skill`: Share of the constant predictor's loss below which the network counts as
      not having learnt.

    ## References
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    - [Rister2020] Probabilistic bounds on neuron death in deep rectifier networks.
    """

    share: float = 0.2
    depth: float = 0.5
    most: float = 0.5
    min_samples: int = 1000
    gamma: float = 1.5
    risk: float = 0.1
    gain: float = 0.2
    skill: float = 0.02

    code = "UNT103"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)  # a network without rectifiers is clear, not blind

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers that were born dead, in part or whole."""
        whole, trace = trace, sound(trace)
        if not whole.setup.layers:
            raise Blind("the layers were never seen to run")
        layers = hidden(whole)
        seen = [s for layer in layers if (s := silent(trace, layer)) and s.varies]
        if layers and not seen:
            raise Blind("no layer with rectified units was sampled")
        hit = [b for s in seen if (b := self._born(trace, s))]
        if not hit:
            samples = max((s.samples.max() for s in seen), default=math.inf)
            total = (trace.last_step + 1) * (trace.setup.batch_size or 1)
            if samples < self.min_samples and total < self.min_samples:
                raise Blind(f"{total} samples, {self.min_samples} needed")
            return
        # what lies behind a layer that is silent follows from it
        first, mask, deep, reason = hit[0]
        learnt = skill(trace)
        is_stuck = bool(learnt.is_none(self.skill) or np.isnan(learnt.value))
        n = float(first.samples[mask].min())
        more = f"; also in {len(hit) - 1} more layers" if len(hit) > 1 else ""
        known = [certificates(trace, b.layer, b.mask) for b in hit]
        yield self.finding(
            f"{mask.sum()} of {mask.size} units of {first.layer.site} "
            f"({mask.mean():.0%}, {deep:.0%} deep below 0, limit {self.share:.0%}) "
            f"have never fired, on 0 of {n:,.0f} samples since step 0: {reason}{more}",
            evidence=tuple(
                Evidence(
                    quantity=FIRING_RATE.name,
                    site=b.layer.layer.site,
                    step=trace.last_step,
                    value=float(b.mask.mean()),
                    limit=self.share,
                    note=f"0 of {b.layer.samples[b.mask].min():,.0f} samples, below "
                    f"{rate_bound(float(b.layer.samples[b.mask].min())):.1g} of all; "
                    f"{b.reason}; {in_short(c)}".rstrip("; "),
                )
                for b, c in zip(hit, known, strict=True)
            ),
            since_step=0,
            severity=(
                Severity.ERROR
                if is_stuck and max(b.mask.mean() for b in hit) >= self.most
                else Severity.WARNING
            ),
            confidence=Confidence.HIGH if first.is_exact else Confidence.MEDIUM,
            units={
                b.layer.layer.site: tuple(int(u) for u in np.flatnonzero(b.mask))
                for b in hit
            },
            certificates=tuple(c for layer in known for c in layer),
        )

    def _born(self, trace: Trace, s: Silent) -> _Born | None:
        mask = ~s.ever & (s.samples >= self.min_samples)
        if (~s.ever).all() and s.samples.min() >= self.min_samples / 3:
            mask = ~s.ever
        if not mask.any():
            return None
        deep = float((mask & ~(s.depth < self.depth)).mean())
        if deep < self.share and mask.mean() < self.most:
            return None
        reason = self._reason(trace, s, mask)
        return _Born(s, mask, deep, reason) if reason else None

    def _reason(self, trace: Trace, s: Silent, mask: NDArray[np.bool_]) -> str:
        site = s.layer.site
        if gains(trace.setup).get(site, 1.0) < self.gain:
            return ""  # any bias outweighs such weights: INI101
        top = trace.units(PREACT_MAX, site).values
        bias = trace.units(UNIT_BIAS, s.layer.bias.rpartition(".")[0]).values
        known = top.ndim == bias.ndim == 2 and top.shape[1:] == bias.shape[1:]
        if known and len(top) and len(bias) and bias.shape[1] == mask.size:
            highest = np.nanmax(top, axis=0)
            held = mask & (bias[0] < 0) & (highest - bias[0] > 0)
            if held.sum() >= 0.8 * mask.sum():
                return (
                    f"their bias is {np.median(bias[0][held]):.3g}, and without it "
                    f"their largest pre-activation would be "
                    f"{np.median((highest - bias[0])[held]):.3g}"
                )
        if s.layer.site != next((x.site for x in trace.setup.layers), ""):
            return self._narrow(trace, mask)
        varies = trace.series(PREACT_VARIATION, site).values[:1]
        if not varies.size or not 0 < varies[0] < 1:
            return ""
        gamma = math.sqrt((1 - varies[0]) / varies[0])
        if gamma < self.gamma:
            return self._narrow(trace, mask)
        n = max(2.0, float(s.samples[mask].min()))
        normal = NormalDist()
        expected = normal.cdf(-normal.inv_cdf(1 - 1 / n) / gamma)
        return (
            f"what they receive lies {gamma:.3g} times as far from 0 as it differs "
            f"between samples (limit {self.gamma:g}), which leaves {expected:.0%} of "
            f"units silent on {n:,.0f} samples and as many always on"
        )

    def _narrow(self, trace: Trace, mask: NDArray[np.bool_]) -> str:
        """Whether depth and width make it likely that a whole layer is silent."""
        widths = [x.units for x in hidden(trace) if x.units and "#" not in x.site]
        risk = 1 - math.prod(1 - 2.0**-n for n in widths)
        if not mask.all() or risk < self.risk:
            return ""
        return (
            f"{len(widths)} rectified layers of {min(widths)} to {max(widths)} units "
            f"stop a given input with probability {risk:.2g} (limit {self.risk:g})"
        )
