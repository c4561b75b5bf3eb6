"""UNT102 dead-layer."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import FIRING_RATE, LOSS
from reluctant.rules._base import Blind, Rule
from reluctant.rules._certificates import certificates, in_short
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules._silence import hidden, silent
from reluctant.stats import rate_bound


@dataclass(frozen=True)
class DeadLayer(Rule):
    """No unit of a whole layer fires on anything that the network is shown.

    ## Why it stops training
    Nothing passes the layer in either direction. What lies behind it sees the same
    input for every sample and can learn a constant at most; what lies before it gets no
    gradient.

    ## How it is measured
    As in UNT101, for all units of a layer at once: none fired at any sampled step, and
    none got a gradient in any step, from some step on until the end.

    ## Sick
    ```python
    model[2].bias.data[:] = -100.0
    ```

    ## Healthy
    ```python
    model[2].bias.data[:] = 0.0
    ```

    ## Blind spots
    A path around the layer, such as a residual connection, lets the network train
    without it: then the finding is a warning.

    ## Options
    - `min_samples`: Silent samples it takes. A layer is judged sooner than a unit, for
      all its units would have to be rare at once.
    - `skill`: Share of the constant predictor's loss below which the network counts as
      not having learnt.

    ## References
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    """

    min_samples: int = 300
    skill: float = 0.02

    code = "UNT102"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS,)  # a network without rectifiers is clear, not blind

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers that are silent as a whole."""
        whole, trace = trace, sound(trace)
        if not whole.setup.layers:
            raise Blind("the layers were never seen to run")
        seen = [s for layer in hidden(whole) if (s := silent(trace, layer))]
        if hidden(whole) and not seen:
            raise Blind("no layer with rectified units was sampled")
        hit = [s for s in seen if s.samples.min() >= self.min_samples]
        if not hit:
            samples = (trace.last_step + 1) * (trace.setup.batch_size or 1)
            if seen and samples < self.min_samples:
                raise Blind(f"{samples} samples, {self.min_samples} needed")
            return
        hit.sort(key=lambda s: int(s.since.max()))
        first = hit[0]
        n = float(first.samples.min())
        learnt = skill(trace)
        stuck = learnt.is_none(self.skill) or np.isnan(learnt.value)
        since = int(first.since.max())
        elsewhere = f"; then {len(hit) - 1} behind or before it" if len(hit) > 1 else ""
        known = [certificates(trace, s, s.samples >= 0) for s in hit]
        yield self.finding(
            f"none of the {first.since.size} units of {first.layer.site} fired in the "
            f"last {n:,.0f} samples (limit {self.min_samples}), since step {since}"
            f"{elsewhere}",
            evidence=tuple(
                Evidence(
                    quantity=FIRING_RATE.name,
                    site=s.layer.site,
                    step=trace.last_step,
                    value=0.0,
                    limit=rate_bound(float(s.samples.min())),
                    note=f"0 of {s.samples.min():,.0f} samples, {s.since.size} units; "
                    f"{in_short(c)}".rstrip("; "),
                )
                for s, c in zip(hit, known, strict=True)
            ),
            since_step=since,
            severity=Severity.ERROR if stuck else Severity.WARNING,
            confidence=Confidence.HIGH if first.is_exact else Confidence.MEDIUM,
            units={s.layer.site: tuple(range(s.since.size)) for s in hit},
            certificates=tuple(c for layer in known for c in layer),
        )
