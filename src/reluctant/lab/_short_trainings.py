"""The beginning of a training at a given rate, and what it had come to by then."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reluctant.lab._cells import Attempt, Cell
from reluctant.lab._map_score import Scorer, Scores
from reluctant.lab._recipe import Recipe, Training, build
from reluctant.lab._step_size_probes import at_rate
from reluctant.lab._step_size_search import Probe

Floats: TypeAlias = NDArray[np.float64]

LOOKS = 4  # at the network, in each of the two parts that count
SAMPLES = 1_000  # that a look scores


class _Part(NamedTuple):
    """Of a training."""

    loss: float
    score: float


def in_torch(recipe: Recipe, seeds: Sequence[int]) -> Probe:
    """Trains step by step."""
    scorers: dict[int, Scorer] = {}

    def probe(rate: float, turn: int, steps: int) -> tuple[Attempt, Attempt]:
        seed = seeds[turn % len(seeds)]
        if seed not in scorers:
            scorers[seed] = Scorer(build(recipe, seed), most=SAMPLES)
        training, scorer = at_rate(build(recipe, seed), rate), scorers[seed]
        first = training.step(steps // 4)
        early, _ = _watched(training, steps // 2 - steps // 4, scorer)
        late, scores = _watched(training, steps - steps // 2, scorer)
        cell = Cell((), rate, seed)
        begun = math.fsum(first) / len(first)
        return _attempt(cell, early, scores, begun), _attempt(cell, late, scores, begun)

    return probe


def _watched(training: Training, steps: int, scorer: Scorer) -> tuple[_Part, Scores]:
    """Train on, and look at the network at even distances."""
    losses: list[float] = []
    looks: list[Scores] = []
    for k in range(LOOKS):
        losses += training.step(steps * (k + 1) // LOOKS - steps * k // LOOKS)
        looks.append(scorer.measure(training))
        if not all(map(math.isfinite, losses)):
            return _Part(math.nan, math.nan), looks[-1]
    loss = math.fsum(look.loss for look in looks) / LOOKS
    if math.isnan(loss):  # batches that cannot be read again
        loss = math.fsum(losses) / len(losses)
    score = math.fsum(look.score for look in looks) / LOOKS
    return _Part(loss, score), looks[-1]


def fused(recipe: Recipe, seeds: Sequence[int]) -> Probe:
    """Trains in compiled code; of a training that it can have."""
    from reluctant.lab._map_fused import FusedEngine

    return FusedEngine(recipe, steps={}, workers=1, seed=seeds[0]).short((), seeds)


def from_records(
    cell: Cell, share: Floats, losses: Floats, scores: Floats, constant: Scores
) -> tuple[Attempt, Attempt]:
    """The same of a training that was recorded in windows.

    Args:
        cell: Of the training.
        share: Of its steps, at the end of each window, shape `(k,)`.
        losses: Mean over each, shape `(k,)`.
        scores: Likewise.
        constant: Scores of a network on the same data.
    """

    def part(first: float, last: float) -> Attempt:
        rows = np.flatnonzero((share > first) & (share <= last))
        if not len(rows):  # frozen before: it stays as it is
            rows = np.array([len(share) - 1])
        mean = _Part(float(losses[rows].mean()), float(scores[rows].mean()))
        return _attempt(cell, mean, constant, float(losses[0]))

    return part(0.25, 0.5), part(0.5, 1.0)


def _attempt(cell: Cell, part: _Part, scores: Scores, begun: float) -> Attempt:
    return Attempt(
        cell=cell,
        steps=0,
        stop="done" if math.isfinite(part.loss) else "nonfinite",
        loss=part.loss,
        score=part.score,
        constant_loss=scores.constant_loss,
        constant_score=scores.constant_score,
        first_loss=begun,
    )
