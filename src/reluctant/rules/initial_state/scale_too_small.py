"""INI101 scale-too-small."""

from collections.abc import Iterator
from dataclasses import dataclass

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, PREACT_RMS, SIGNAL_GRAD_RMS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._depth import first_look, gains, profile, starved, weighted
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class ScaleTooSmall(Rule):
    """The initial weights are so small that the input never reaches the output.

    ## Why it stops training
    Each layer multiplies the signal by less than one, on the way forward and again on
    the way back. After a few layers what differs between two samples is lost behind the
    biases, and the gradient that could repair it is smaller still. What the last layers
    do with units that see nothing, silence or constants, follows from this.

    ## How it is measured
    The signal at the first sampled step, layer by layer: the slope of log₁₀ of its
    mean square and how far it falls, the share of the output that depends on the input,
    and how far the gradient falls on its way back. One of them past its limit, weights
    that are smaller than `gain` of what keeps the scale in most layers, and a network
    that does no better than the best constant: only then is it the problem.

    ## Sick
    ```python
    model = mlp(depth=8, gain=0.01)
    ```

    ## Healthy
    ```python
    model = mlp(depth=8, gain=1.0)
    ```

    ## Blind spots
    Behind normalization layers the scale of the weights does not matter, and nothing is
    found. Sigmoids that lose the signal at an ordinary scale are GRD101.

    ## Options
    - `dependence`: Share of the output's mean square that differs between samples. Nets
      that learn start above 0.02, nets that do not at 10⁻¹² and below.
    - `slope`: Decades of mean square that a layer may lose. He keeps it within 0.02;
      PyTorch's biases hide the fall, so this never decides alone.
    - `decades`: How far signal or gradient (RMS) may fall over the depth.
    - `gain`: Weight scale over the one that keeps the signal's scale [He2015].
      PyTorch's default for linear layers has 0.41.
    - `min_layers`: Fewer weighted layers than this leave a small start by themselves,
      unless it is `tiny`.
    - `tiny`: Weight scale, as a median over the layers, that two layers do not get out
      of soon. Weights of 0.01 behind 100 inputs have 0.1.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.
    - `slow`: The same where all the signs are there: then the network does learn, but
      late, and it is a warning.
    - `min_steps`: How many steps must have passed.

    ## References
    - [He2015] Delving deep into rectifiers.
    - [Glorot2010] Understanding the difficulty of training deep feedforward networks.
    - [Schoenholz2017] Deep information propagation.
    """

    dependence: float = 1e-3
    slope: float = 0.15
    decades: float = 3.0
    gain: float = 0.5
    min_layers: int = 4
    tiny: float = 0.05
    skill: float = 0.02
    slow: float = 0.3
    min_steps: int = 30

    code = "INI101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, PREACT_RMS, SIGNAL_GRAD_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the network was drawn too small to learn."""
        setup, trace = trace.setup, sound(trace)
        if not setup.layers:
            raise Blind("the layers were never seen to run")
        if len(weighted(setup)) < 2:
            return
        if trace.last_step + 1 < self.min_steps:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        scale = gains(setup)
        small = [site for site, gain in scale.items() if gain < self.gain]
        if len(small) < max(2, len(scale) / 2):
            return
        is_shallow = len(weighted(setup)) < self.min_layers
        if is_shallow and sorted(scale.values())[len(scale) // 2] >= self.tiny:
            return
        first = first_look(trace)
        reasons = starved(
            profile(trace, first, first),
            slope=self.slope,
            decades=self.decades,
            dependence=self.dependence,
        )
        learnt = skill(trace)
        stuck = learnt.is_none(self.skill)
        if not reasons or not (
            stuck or (len(reasons) > 1 and learnt.is_exact and learnt.value < self.slow)
        ):
            return
        small.sort(key=scale.__getitem__)
        worst = small[0]
        yield self.finding(
            f"weights of {len(small)} of {len(scale)} layers are drawn at "
            f"{scale[worst]:.2g} ({worst}) to {scale[small[-1]]:.2g} of the scale "
            f"that keeps the signal (limit {self.gain:g}); {'; '.join(reasons)}; skill "
            f"after {trace.last_step + 1} steps {learnt.value:.3f} (limit "
            f"{self.skill:g})",
            evidence=tuple(
                Evidence(
                    quantity="weight_gain",
                    site=site,
                    step=0,
                    value=scale[site],
                    limit=self.gain,
                    note="1 keeps the signal's scale",
                )
                for site in small
            ),
            since_step=0,
            severity=Severity.ERROR if stuck else Severity.WARNING,
            confidence=(
                Confidence.HIGH
                if learnt.is_exact and len(reasons) > 1
                else Confidence.MEDIUM
            ),
        )
