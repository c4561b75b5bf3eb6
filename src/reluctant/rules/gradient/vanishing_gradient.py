"""GRD101 vanishing-gradient."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reluctant.records import Confidence, Evidence, Finding, Severity, Trace
from reluctant.records.quantities import (
    LOSS,
    SEQUENCE_GRAD_GROWTH,
    SIGNAL_GRAD_RMS,
    UPDATE_RATIO,
)
from reluctant.rules._base import Blind, Rule
from reluctant.rules._constant import Skill, skill
from reluctant.rules._depth import over_sequence, profile
from reluctant.rules._loss import course, sound
from reluctant.rules._optimizers import is_adaptive
from reluctant.stats import block_medians

_BLOCKS = 40  # stretches of the run, of which the first that is better is found
_BETTER = 0.95  # of the best constant's loss


@dataclass(frozen=True)
class VanishingGradient(Rule):
    """The gradient shrinks so far on its way back that the first layers never move.

    ## Why it stops training
    Each layer multiplies the gradient by its slope and its weights. A sigmoid's slope
    is 1/4 at most: twenty of them leave 10⁻¹² of the gradient at best. One learning
    rate serves all layers, so a step that moves the last leaves the first where it was
    drawn, and the last alone has nothing to work with.

    ## How it is measured
    Relative sizes only, for a converged network has tiny gradients everywhere. The
    median over the early sampled steps of log₁₀ of the gradient at each layer's output,
    against that at the head; it must lie `decades` below. The weights of that layer
    must change by less than `still` of their size a step, and the loss must be no
    better than the best constant's. Optimizers that divide by the gradient's size move
    such layers all the same, along its noise: for those a network that is `late`, or
    was for a good part of the run and is not done, is a warning.

    A recurrent weight has a depth of its own, the length of the sequence: there it is
    the gradient at its first use against that at its last.

    ## Sick
    ```python
    model = mlp(depth=20, activation=nn.Sigmoid)
    ```

    ## Healthy
    ```python
    model = mlp(depth=20, activation=nn.ReLU)
    ```

    ## Blind spots
    Gradients that are exactly 0 have no logarithm: UNT102 finds the layer that stops
    them. A network that learns with its last layers alone is not found.

    ## Options
    - `decades`: How far below the head's the gradient must lie. A healthy network of
      fifty layers stays within 2; PyTorch's default in twenty layers loses 7.
    - `sequence_decades`: How far the gradient at a recurrent weight's first use must
      lie below that at its last. Networks that need the end of a sequence alone learn
      with more, so it counts only where nothing is learnt.
    - `moving`: Update over weight from which on the steps are not what is too short.
    - `still`: Update over weight, RMS, below which a layer stands still: 10⁶ such steps
      would be needed to redraw it.
    - `skill`: Share of the constant predictor's loss that must be gone to count as
      learning.
    - `late`: Skill below which a network with such an optimizer has hardly begun.
    - `plateau`: Share of the run before the loss left the best constant's, from which
      on a network that began in the end was late, while its skill is below `done`.
    - `done`: Skill of a network that has made up for it.
    - `lost`: How far below the head's a gradient must lie for a network to be held back
      by it until it is done, however soon it began. Healthy ones stay within 4.
    - `min_steps`: How many steps must have passed; for `late` three times as many.

    ## References
    - [Hochreiter1991] Untersuchungen zu dynamischen neuronalen Netzen.
    - [Glorot2010] Understanding the difficulty of training deep feedforward networks.
    """

    decades: float = 4.0
    sequence_decades: float = 6.0
    moving: float = 1e-4
    still: float = 1e-6
    skill: float = 0.02
    late: float = 0.1
    plateau: float = 0.25
    done: float = 0.9
    lost: float = 6.0
    min_steps: int = 30

    code = "GRD101"
    severity = Severity.ERROR
    since = "0.1.0"
    needs = (LOSS, SIGNAL_GRAD_RMS, UPDATE_RATIO)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding with all layers that the gradient does not reach."""
        setup, trace = trace.setup, sound(trace)
        if not setup.layers:
            raise Blind("the layers were never seen to run")
        if trace.last_step + 1 < self.min_steps:
            raise Blind(f"{trace.last_step + 1} steps, {self.min_steps} needed")
        way = profile(trace, 0, max(8, self.min_steps // 3))
        known = np.flatnonzero(np.isfinite(way.backward))
        if not known.size:
            if trace.sites(SIGNAL_GRAD_RMS) and way.layers:
                raise Blind("no gradient of a layer is finite and above 0")
            return
        head = int(known[-1])
        below = way.backward[head] - way.backward
        far = [i for i in known[:-1] if below[i] > self.decades]
        still = [i for i in far if self._stands_still(trace, way.layers[i].weight)]
        learnt = skill(trace)
        is_lost = any(below[i] > self.lost for i in far)
        begun = self._begun(trace, learnt, is_lost=is_lost)
        is_late = is_adaptive(trace) and begun > 0
        is_stuck = bool(still) and learnt.is_none(self.skill)
        vanished = still if is_stuck else far
        if not vanished and learnt.is_none(self.skill):
            yield from self._over_sequence(trace)
        if not vanished or not (is_stuck or is_late):
            return
        worst = max(vanished, key=lambda i: below[i])
        what = (
            f"change by less than {self.still:g} of their weights a step"
            if is_stuck
            else "are moved by an optimizer that divides by its size"
        )
        limit = self.skill if is_stuck else self.late
        if is_late and learnt.value >= self.late:
            limit = self.done
        vanished.sort(key=lambda i: -below[i])
        yield self.finding(
            f"the gradient at {way.layers[worst].site} is "
            f"{10.0 ** way.backward[worst]:.1e}, {below[worst]:.1f} decades below that "
            f"at {way.layers[head].site} (limit {self.decades:g}); {len(vanished)} of "
            f"{len(way.layers)} layers {what}; {self._since(trace, begun)}skill after "
            f"{trace.last_step + 1} steps {learnt.value:.3f} (limit {limit:g})",
            evidence=tuple(
                Evidence(
                    quantity=SIGNAL_GRAD_RMS.name,
                    site=way.layers[i].site,
                    step=0,
                    value=float(10.0 ** way.backward[i]),
                    limit=float(10.0 ** (way.backward[head] - self.decades)),
                    note=f"{below[i]:.1f} decades below the head",
                )
                for i in vanished
            ),
            since_step=0,
            severity=Severity.ERROR if is_stuck else Severity.WARNING,
            confidence=(
                Confidence.HIGH
                if is_stuck and learnt.is_exact and len(vanished) == len(far)
                else Confidence.MEDIUM
            ),
        )

    def _begun(self, trace: Trace, learnt: Skill, *, is_lost: bool) -> int:
        """The step at which a network that was late began to learn; 0 if it was not.

        Late is what has hardly begun after many steps, or began after a good part of
        the run and has not made up for it, or did not make up for a gradient lost.
        """
        steps = trace.last_step + 1
        if steps < 3 * self.min_steps or not learnt.is_exact:
            return 0
        if learnt.value < self.late:
            return steps
        run = course(trace)
        medians = block_medians(run.values, _BLOCKS)
        better = np.flatnonzero(medians < _BETTER * learnt.constant)
        if learnt.value >= self.done or not better.size:
            return 0
        block = len(run.values) / len(medians)
        begun = int(run.steps[min(int(better[0] * block), len(run.steps) - 1)])
        least = self.min_steps if is_lost else max(self.plateau * steps, self.min_steps)
        return begun if begun >= least else 0

    def _since(self, trace: Trace, begun: int) -> str:
        """From when on it learnt, if it was late and did."""
        if not 0 < begun <= trace.last_step:
            return ""
        return f"learning began at step {begun:,}; "

    def _over_sequence(self, trace: Trace) -> Iterator[Finding]:
        """One finding if what comes early in a sequence is never heard of."""
        site, below = over_sequence(trace, trace.last_step, sign=-1)
        if not below > self.sequence_decades or trace.last_step + 1 < 100:
            return
        moves = [
            trace.series(UPDATE_RATIO, s).values for s in trace.sites(UPDATE_RATIO)
        ]
        middle = [
            float(np.median(v[np.isfinite(v)])) for v in moves if np.isfinite(v).any()
        ]
        if not middle or max(middle) < self.moving:
            return  # the steps are what is too short
        yield self.finding(
            f"the gradient of {site} shrinks by {below:.1f} decades from the end of "
            f"the sequence to its beginning (limit {self.sequence_decades:g}): what "
            f"comes early has no effect; nothing is learnt in {trace.last_step + 1} "
            f"steps",
            evidence=(
                Evidence(
                    quantity=SEQUENCE_GRAD_GROWTH.name,
                    site=site,
                    step=trace.last_step,
                    value=-below,
                    limit=-self.sequence_decades,
                    note="decades, median over the sampled steps",
                ),
            ),
            since_step=0,
            severity=Severity.WARNING,
            confidence=Confidence.MEDIUM,
        )

    def _stands_still(self, trace: Trace, weight: str) -> bool:
        """Whether a weight was seen to be trained, and hardly moved."""
        moves = trace.series(UPDATE_RATIO, weight).values
        moves = moves[np.isfinite(moves)]
        return bool(moves.size) and float(np.median(moves)) < self.still
