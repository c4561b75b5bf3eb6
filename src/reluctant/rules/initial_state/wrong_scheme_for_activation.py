"""INI201 wrong-scheme-for-activation."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import LOSS, PREACT_RMS, SIGNAL_GRAD_RMS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import skill
from reluctant.rules._depth import first_look, gains, profile, starved, weighted
from reluctant.rules._loss import sound


@dataclass(frozen=True)
class WrongSchemeForActivation(Rule):
    """The initial weights suit another activation, and the depth adds it up.

    ## Why it stops training
    A rectifier passes half of the mean square on; the schemes for tanh and logistic
    units [Glorot2010] do not make up for that. What is a factor of two in one layer is
    ten million in twenty-four: the input does not reach the output, nor the gradient
    the input.

    ## How it is measured
    The scale of the weights against the one that keeps the signal's scale under the
    activation that is there: nearly all layers a little below it, at the 0.71 = 1/√2
    that such schemes have under rectifiers, and none far below, which would be INI101.
    Besides, as there, one of the signs of a signal that does not arrive, and a network
    that does no better than the best constant.

    ## Sick
    ```python
    model, lr = mlp(depth=24, gain=0.7), 0.01
    ```

    ## Healthy
    ```python
    model, lr = mlp(depth=24, gain=1.0), 0.01
    ```

    ## Blind spots
    Behind normalization layers the scale of the weights does not matter. Weights of a
    fixed size, whatever the width, are INI101 or INI102. A deep stack of sigmoids under
    any scheme is GRD101.

    ## Options
    - `low`: Weight scale over the one that keeps the signal's scale; below it INI101.
    - `high`: Above it the scheme is the right one: one part in ten is what differs
      between fan-in, fan-out and their mean in networks of even width.
    - `most`: Share of the layers that must lie between the two.
    - `dependence`: Share of the output's mean square that differs between samples, as
      in INI101.
    - `slope`: Decades of mean square that a layer may lose, as in INI101.
    - `decades`: How far signal or gradient (RMS) may fall over the depth.
    - `min_layers`: Ten layers at 0.71 lose three decades, which training bears.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.
    - `slow`: The same where more than one sign is there: then the network does learn,
      but late, and it is a warning.
    - `min_steps`: How many steps must have passed.

    ## References
    - [He2015] Delving deep into rectifiers, section 2.2.
    - [Glorot2010] Understanding the difficulty of training deep feedforward networks.
    """

    low: float = 0.5
    high: float = 0.9
    most: float = 0.8
    dependence: float = 1e-3
    slope: float = 0.15
    decades: float = 3.0
    min_layers: int = 8
    skill: float = 0.02
    slow: float = 0.3
    min_steps: int = 30

    code = "INI201"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, PREACT_RMS, SIGNAL_GRAD_RMS)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding if the scheme fits another activation, and it shows."""
        setup, trace = trace.setup, sound(trace)
        if not setup.layers:
            raise Blind("the layers were never seen to run")
        if len(weighted(setup)) < self.min_layers:
            return
        if trace.last_step + 1 < self.min_steps:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        hidden = [x.activation for x in weighted(setup) if x.activation]
        if 2 * sum("sigmoid" in kind for kind in hidden) > len(hidden):
            return  # their slope of a quarter takes more than any scheme gives: GRD101
        scale = gains(setup)
        between = {s: g for s, g in scale.items() if self.low <= g <= self.high}
        if not between or len(between) < self.most * len(scale):
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
        is_slow = len(reasons) > 1 and learnt.is_exact and learnt.value < self.slow
        if not reasons or not (stuck or is_slow):
            return
        middle = float(np.median(list(between.values())))
        kinds = {x.activation for x in setup.layers if x.activation}
        yield self.finding(
            f"weights of {len(between)} of {len(scale)} layers are drawn at "
            f"{middle:.2g} (median) of the scale that keeps the signal under "
            f"{'/'.join(sorted(kinds)) or 'no activation'} (limits {self.low:g} and "
            f"{self.high:g}), as schemes for other activations do: {1 / middle:.2g} is "
            f"lost a layer; {'; '.join(reasons)}; skill after {trace.last_step + 1} "
            f"steps {learnt.value:.3f} (limit {self.skill:g})",
            evidence=tuple(
                Evidence(
                    quantity="weight_gain",
                    site=site,
                    step=0,
                    value=gain,
                    limit=self.high,
                    note="1 keeps the signal's scale",
                )
                for site, gain in between.items()
            ),
            since_step=0,
            severity=Severity.ERROR if stuck else Severity.WARNING,
            confidence=(
                Confidence.HIGH
                if learnt.is_exact and len(reasons) > 1
                else Confidence.MEDIUM
            ),
        )
