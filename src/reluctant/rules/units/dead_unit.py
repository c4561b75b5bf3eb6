"""UNT101 dead-unit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import (
    Confidence,
    DeathCertificate,
    Evidence,
    Finding,
    Severity,
    Trace,
)
from reluctant.records.quantities import FIRING_RATE, LOSS, OVERFIT_SKILL
from reluctant.rules._base import Blind, Rule
from reluctant.rules._certificates import certificates, in_short
from reluctant.rules._constant import skill
from reluctant.rules._loss import sound
from reluctant.rules._silence import Silent, census, hidden, silent
from reluctant.stats import rate_bound


@dataclass(frozen=True)
class DeadUnit(Rule):
    """Some hidden units never fire on anything that the network is shown.

    ## Why it stops training
    A rectifier that is off passes no gradient. A unit that is off for every sample gets
    none at all, so its weights stay where they are; only a change of the layers before
    it can bring it back. The network is smaller than it was drawn up to be.

    ## How it is measured
    Two exact counts. Whether the unit's bias got any gradient in any step since the
    last reading: a unit that fired once and was heard has. And at sampled steps how
    often it fired. Dead is a unit silent in both from some step on until the end, for
    long enough, by its own past: the samples since must be many, more than at its
    earlier rate could have passed without it, and more than it was ever silent before
    and came back [Farias2024]. Sparsity does not count: a unit that fires once in a
    thousand samples is alive. Nor does a layer that sees the same input every time.
    Layers that are silent as a whole are UNT102, heads UNT201.

    Each dead unit gets a death certificate: on 0 of how many samples it fired (all of
    the data, with `--census`), whether interval arithmetic from the range of the inputs
    through the layers below [Gowal2018] proves that no input can fire it, the step and
    batch that silenced it, and whether the layers below, momentum or weight decay can
    still wake it.

    Training leaves units behind that hover just below their threshold, up to 40 % of a
    layer in networks that fit their data; the next layers may want them back. Units
    that were thrown out lie deep below it. So it is a warning where the deep ones are
    many, where most of a layer is silent, where the layer is narrow, or where the
    network learns nothing.

    ## Sick
    ```python
    model[2].bias.data[:12] = -100.0
    ```

    ## Healthy
    ```python
    model[2].bias.data[:12] = 0.0
    ```

    ## Blind spots
    What the training never shows might still wake the unit; the message gives the rate
    that the silent samples leave possible. Units of layers without a bias and without a
    norm are judged by the sampled steps alone. Activations without an exact zero, such
    as GELU, have no dead units.

    ## Options
    - `share`: Share of a layer that is dead and deep, from which on it is a warning.
    - `depth`: What counts as deep: how far below 0 the largest pre-activation lies, in
      units of the layer's RMS. Healthy training: median 0.2, nine in ten below 0.5.
      Units with a bias of -3 or less: median 0.6 to 2.
    - `shallow`: Share of a layer from which on it is a warning, deep or not. Healthy
      networks that have specialized keep up to two thirds of a layer just below 0.
    - `most`: The same where nothing is learnt, and then an error.
    - `narrow`: Layers of so few units have none to spare: there `share` counts, deep or
      not.
    - `least`: Share of a layer below which nothing is said at all.
    - `min_samples`: Silent samples it takes at least; 1,000 bound the rate by 0.3 %.
    - `expected`: How often it would have fired since, at its earlier rate: at 20 the
      chance of silence is 2 in 10⁹, and correlated batches may cost half of that.
    - `times`: How many of its own longest silences this one must last.
    - `by_heart`: Skill on few samples alone, in a check, from which on the network does
      learn; those that work reach it, those that do not stay below 0.02.

    ## References
    - [Farias2024] Self-normalized resets for plasticity in continual learning.
    - [Gowal2018] On the effectiveness of interval bound propagation.
    - [Hanley1983] If nothing goes wrong, is everything all right?
    - [Lu2019] Dying ReLU and initialization: theory and numerical examples.
    """

    share: float = 0.2
    depth: float = 0.5
    shallow: float = 0.75
    most: float = 0.5
    narrow: int = 4
    least: float = 0.02
    min_samples: int = 1000
    expected: float = 20.0
    times: float = 3.0
    by_heart: float = 0.5

    code = "UNT101"
    severity = Severity.WARNING
    since = "0.1.0"
    needs = (LOSS,)  # a network without rectifiers is clear, not blind

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers that hold dead units."""
        whole, trace = trace, sound(trace)
        seen = [s for layer in hidden(whole) if (s := silent(trace, layer))]
        if not whole.setup.layers:
            raise Blind("the layers were never seen to run")
        if hidden(whole) and not any(
            s.samples.size and trace.last_step > 0 for s in seen
        ):
            raise Blind("no layer with rectified units was sampled")
        dead = [(s, self._dead(s)) for s in seen if s.varies]
        hit = [
            (s, mask)
            for s, mask in dead
            if self.least <= mask.mean() < 1 and mask.any()
        ]
        if not hit:
            if seen and max(s.samples.max() for s in seen) < self.min_samples:
                samples = (trace.last_step + 1) * (trace.setup.batch_size or 1)
                if samples < self.min_samples:
                    raise Blind(f"{samples} samples, {self.min_samples} needed")
            return
        hit.sort(key=lambda pair: -float(pair[1].mean()))
        worst, mask = hit[0]
        share = float(mask.mean())
        learnt = skill(trace)
        # a check takes few steps; that it can learn a few samples by heart says more
        by_heart = trace.series(OVERFIT_SKILL).values
        can_learn = bool(by_heart.size) and by_heart[-1] >= self.by_heart
        is_stuck = learnt.is_exact and learnt.is_none(0.02) and not can_learn
        deep = max(float((m & ~(s.depth < self.depth)).mean()) for s, m in hit)
        is_tight = is_stuck or any(
            m.size <= self.narrow and m.mean() >= self.share for _, m in hit
        )
        is_many = deep >= self.share or share >= (
            self.share if is_tight else self.shallow
        )
        n = float(worst.samples[mask].min())
        since = min(int(s.since[m].min()) for s, m in hit)
        elsewhere = (
            f"; also in {len(hit) - 1} other of its layers" if len(hit) > 1 else ""
        )
        known = [certificates(trace, s, m) for s, m in hit]
        yield self.finding(
            f"{mask.sum()} of {mask.size} units of {worst.layer.site} ({share:.0%}, "
            f"{self._deep(worst, mask)}) did not fire in the last {n:,.0f} samples: "
            f"below {rate_bound(n):.1g} of all, 95 % sure; since step "
            f"{int(worst.since[mask].min())}{elsewhere}",
            evidence=tuple(
                self._evidence(s, m, trace, c)
                for (s, m), c in zip(hit, known, strict=True)
            ),
            since_step=since,
            severity=(
                Severity.ERROR
                if is_stuck and share >= self.most
                else Severity.WARNING
                if is_many
                else Severity.NOTE
            ),
            confidence=(
                Confidence.HIGH
                if all(s.is_exact for s, _ in hit)
                else Confidence.MEDIUM
            ),
            units={
                s.layer.site: tuple(int(u) for u in np.flatnonzero(m)) for s, m in hit
            },
            certificates=tuple(c for layer in known for c in layer),
        )

    def _dead(self, s: Silent) -> np.ndarray:
        return s.dead(
            min_samples=self.min_samples,
            born=self.min_samples,
            expected=self.expected,
            times=self.times,
        )

    def _deep(self, s: Silent, mask: np.ndarray) -> str:
        deep = float((mask & ~(s.depth < self.depth)).mean())
        return f"{deep:.0%} deep below 0, limit {self.share:.0%}"

    def _evidence(
        self,
        s: Silent,
        mask: np.ndarray,
        trace: Trace,
        known: tuple[DeathCertificate, ...],
    ) -> Evidence:
        rates = s.rate[mask & s.ever]
        before = (
            f", before that {np.median(rates):.2g} of samples" if rates.size else ""
        )
        born = int((mask & ~s.ever).sum())
        counted = census(trace, s.layer)
        if counted is not None and counted.fired.shape == mask.shape:
            never = int((mask & (counted.fired == 0)).sum())
            part = "all" if counted.is_whole else "the first"
            before += f"; before the first step {never} of them fired on 0 of {part} "
            before += f"{counted.samples:,.0f} samples"
        return Evidence(
            quantity=FIRING_RATE.name,
            site=s.layer.site,
            step=trace.last_step,
            value=float(mask.mean()),
            limit=self.share,
            note=f"0 of {s.samples[mask].min():,.0f} samples or more{before}; {born} "
            f"never fired; {in_short(known)}".rstrip("; "),
        )
