"""INI102 scale-too-large."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, PREACT_RMS, SATURATED
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._depth import ends, gains, profile, weighted
from reluctant.rules._loss import course, sound
from reluctant.rules._notes import fed_nonfinite
from reluctant.rules._rise import rise
from reluctant.stats import robust_slope


@dataclass(frozen=True)
class ScaleTooLarge(Rule):
    """The initial weights are so large that the signal grows from layer to layer.

    ## Why it stops training
    Outputs start far outside the range of the targets, or bounded units start on their
    flat ends. Gradients grow with the same factor on the way back, so that a learning
    rate which suits any other network throws this one out of range.

    ## How it is measured
    At the first sampled step, layer by layer: the slope of log₁₀ of the signal's mean
    square and how far it grows, and the share of positions where a bounded activation
    is flat. One of them past its limit, weights larger than `gain` times what keeps the
    scale in most layers, and harm: a loss that rises for good, that is no number, that
    stays no better than the best constant, or that starts far above it and is slow to
    come back. The last alone is a warning.

    ## Sick
    ```python
    model = mlp(depth=8, gain=8.0)
    ```

    ## Healthy
    ```python
    model = mlp(depth=8, gain=1.0)
    ```

    ## Blind spots
    Inputs of a large scale under ordinary weights are not meant here. Behind
    normalization layers the scale of the weights does not matter.

    ## Options
    - `slope`: Decades of mean square that a layer may add. He × 1.5 adds 0.34.
    - `decades`: How far the signal (RMS) may grow over the depth.
    - `flat`: Share of flat positions, mean over a layer. Ordinary tanh and sigmoid
      networks start below 0.05.
    - `gain`: Weight scale over the one that keeps the signal's scale [He2015].
    - `min_layers`: How many weighted layers it takes to speak of growth.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.
    - `thrown`: How many times the constant predictor's loss the first one is, where
      that is harm; ordinary networks start below 2.
    - `slow`: The skill below which such a network is still paying for it.
    - `far`: Weight scale of the layer in the middle from which on the start is far out
      even where the data are fitted in the end [Chizat2019].
    - `min_steps`: How many steps must have passed, unless the loss broke before.

    ## References
    - [He2015] Delving deep into rectifiers.
    - [Glorot2010] Understanding the difficulty of training deep feedforward networks.
    - [Chizat2019] On lazy training in differentiable programming.
    """

    slope: float = 0.15
    decades: float = 1.5
    flat: float = 0.7
    gain: float = 1.4
    min_layers: int = 3
    skill: float = 0.02
    thrown: float = 4.0
    slow: float = 0.7
    far: float = 4.0
    min_steps: int = 20

    code = "INI102"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, PREACT_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the network was drawn too large to learn."""
        whole, trace = trace, sound(trace)
        if not whole.setup.layers:
            raise Blind("the layers were never seen to run")
        if len(weighted(whole.setup)) < self.min_layers:
            return
        broke = course(whole).broke >= 0
        if trace.last_step + 1 < self.min_steps and not broke:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        if broke and fed_nonfinite(whole):
            return
        scale = gains(whole.setup)
        large = sorted(
            (s for s, gain in scale.items() if gain > self.gain),
            key=lambda s: -scale[s],
        )
        reasons = self._signs(whole)
        if len(large) < max(2, len(scale) / 2) or not reasons:
            return
        harm, severity = self._harm(whole)
        if not harm and np.median(list(scale.values())) > self.far and len(reasons) > 0:
            harm, severity = self._thrown(whole), Severity.WARNING
        if not harm:
            return
        yield self.finding(
            f"weights of {len(large)} of {len(scale)} layers are drawn at up to "
            f"{scale[large[0]]:.3g} ({large[0]}) of the scale that keeps the signal "
            f"(limit {self.gain:g}); {'; '.join(reasons)}; {harm}",
            evidence=tuple(
                Evidence(
                    quantity="weight_gain",
                    site=site,
                    step=0,
                    value=scale[site],
                    limit=self.gain,
                    note="1 keeps the signal's scale",
                )
                for site in large
            ),
            since_step=0,
            severity=severity,
            confidence=Confidence.HIGH if len(reasons) > 1 else Confidence.MEDIUM,
        )

    def _signs(self, trace: Trace) -> list[str]:
        """Which signs of a large scale the first step shows, each as a clause."""
        reasons = []
        start = profile(trace, 0, 0)
        slope = 2 * robust_slope(np.arange(len(start.layers)), start.forward)
        first, last = ends(start.forward)
        if slope > self.slope and last - first > self.decades:
            reasons.append(
                f"its mean square grows by {2 * (last - first):.1f} decades to the "
                f"output, {slope:.2f} a layer (limit {self.slope:g})"
            )
        flat = [trace.units(SATURATED, site).values for site in trace.sites(SATURATED)]
        shares = [float(np.nanmean(rows[0])) for rows in flat if rows.size]
        if shares and max(shares) > self.flat:
            reasons.append(
                f"{max(shares):.0%} of a layer is flat at the start (limit "
                f"{self.flat:.0%})"
            )
        return reasons

    def _thrown(self, trace: Trace) -> str:
        """Whether a network that fits its data had to come back from far away."""
        run, learnt = course(trace), skill(trace)
        times = run.start / learnt.constant if learnt.is_exact else 0.0
        if times < self.thrown:
            return ""
        return (
            f"the loss starts at {times:.2g} times the constant's (limit "
            f"{self.thrown:g}): a network that begins so far out, and flat, learns "
            f"samples by heart rather than what they share"
        )

    def _harm(self, trace: Trace) -> tuple[str, Severity]:
        """What it cost, as a clause, and how bad that is; empty if nothing."""
        run = course(trace)
        if run.broke >= 0:
            return f"the loss is no number from step {run.broke} on", self.severity
        up = rise(trace, factor=2.0, min_steps=10)
        if up:
            return (
                f"the loss rises from {run.start:.3g} to {up.late:.3g}",
                self.severity,
            )
        learnt = skill(trace)
        said = f"skill after {trace.last_step + 1} steps {learnt.value:.3f}"
        if learnt.is_none(self.skill):
            return said, self.severity
        times = run.start / learnt.constant if learnt.is_exact else 0.0
        if times > self.thrown and learnt.value < self.slow:
            far = f"the loss starts at {times:.2g} times the constant's; {said}"
            return far, Severity.WARNING
        return "", self.severity
