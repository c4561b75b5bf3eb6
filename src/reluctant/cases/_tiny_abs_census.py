"""What became of the networks of `tiny-abs`, and what was decided at the start."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._tiny_abs_nets import SUCCESS, UNITS, Floats, Trials
from reluctant.lab.engines import Parameters
from reluctant.stats import wilson_interval

OUTCOMES = (
    "hexagonal pyramid",
    "square pyramid",
    "valley |u·x|, third unit dead",
    "valley |u·x|, third unit alive",
    "one bend and a linear unit",
    "one live unit",
    "constant",
    "merged units",
    "other",
)
DEAD, ALWAYS = 0.002, 0.95  # share of samples that a unit fires on
SAME = 0.99  # cosine of two units' weights, biases included
PYRAMID = 20.0  # a pyramid's loss over the best; a valley's is above 60


@dataclass(frozen=True)
class Units:
    """The hidden units of one network.

    Attributes:
        incoming: Weights and bias of each, shape `(units, 3)`.
        outgoing: Shape `(units,)`.
    """

    incoming: Floats
    outgoing: Floats

    @classmethod
    def of(cls, parameters: Parameters) -> "Units":
        """Take them from a network."""
        (w, b), (a, _) = parameters
        assert b is not None
        both = np.concatenate([w, b[:, None]], axis=1)
        return cls(both.astype(float), a[0].astype(float))

    @property
    def frozen(self) -> NDArray[np.bool_]:
        """Whether |a| > ‖(w, b)‖, so that gradient flow keeps the sign of a."""
        lengths = np.linalg.norm(self.incoming, axis=1)
        found: NDArray[np.bool_] = np.abs(self.outgoing) > lengths
        return found

    def firing(self, x: Floats) -> Floats:
        """Share of samples on which each fires, shape `(units,)`."""
        fires = x @ self.incoming[:, :2].T + self.incoming[:, 2] > 0
        share: Floats = fires.mean(axis=0)
        return share

    def cosines(self) -> Floats:
        """Of each pair of units, shape `(units, units)`; nan without weights."""
        lengths = np.linalg.norm(self.incoming, axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            u = self.incoming / lengths
        pairs: Floats = u @ u.T
        return pairs


def outcome(units: Units, firing: Floats, loss: float, best: float) -> str:
    """Which of `OUTCOMES` a trained network is.

    Args:
        units: At the end.
        firing: Share of samples on which each fires.
        loss: Over all samples.
        best: The best known loss; `loss` was a success if within a tenth of it.
    """
    bent = np.flatnonzero((firing >= DEAD) & (firing <= ALWAYS))
    always = np.flatnonzero(firing > ALWAYS)
    dead = UNITS - len(bent) - len(always)
    if loss <= SUCCESS * best:
        return "hexagonal pyramid"
    if merged(units, firing):
        return "merged units"
    if dead == UNITS:
        return "constant"
    if loss < PYRAMID * best:
        return "square pyramid" if len(bent) == 2 and len(always) == 1 else "other"
    if len(bent) == 1 and len(always):
        return "one bend and a linear unit"
    if len(bent) == 1 and dead == UNITS - 1:
        return "one live unit"
    if len(bent) >= 2:
        return f"valley |u·x|, third unit {'dead' if dead else 'alive'}"
    return "other"


def merged(units: Units, firing: Floats, *, any_sign: bool = False) -> bool:
    """Whether two live, bent units have one direction, and outgoing signs alike."""
    bent = (firing >= DEAD) & (firing <= ALWAYS)
    alike = np.outer(units.outgoing, units.outgoing) > 0
    pairs = np.outer(bent, bent) & (alike | any_sign)
    with np.errstate(invalid="ignore"):
        close = units.cosines() > SAME
    return bool((pairs & close)[np.triu_indices(UNITS, 1)].any())


def rate(successes: NDArray[np.bool_]) -> dict[str, Any]:
    """A success rate with its interval, as JSON holds it."""
    hits, n = int(successes.sum()), len(successes)
    return {
        "p": hits / n if n else None,
        "successes": hits,
        "n": n,
        "interval": list(wilson_interval(hits, n)),
    }


def census(found: Trials, best: float) -> tuple[list[str], dict[str, Any]]:
    """What each trial became, and all counts.

    Returns:
        The outcome of each trial; and counts: by outcome, of dead and merged units
        among the failures, of signs that flipped, and success by signs at the start.
    """
    x = found.plane.x.astype(float)
    before = [Units.of(p) for p in found.starts]
    after = [Units.of(p) for p in found.ends]
    firing = [units.firing(x) for units in after]
    kinds = [
        outcome(units, share, float(loss), best)
        for units, share, loss in zip(after, firing, found.loss, strict=True)
    ]
    won = found.successes(best)
    lost = np.flatnonzero(~won)
    negative = np.array([(u.outgoing < 0).any() for u in before])
    positives = np.array([int((u.outgoing > 0).sum()) for u in before])
    stuck = np.array([(u.frozen & (u.outgoing < 0)).any() for u in before])
    return kinds, {
        "census": {kind: kinds.count(kind) for kind in OUTCOMES},
        "failures": {
            "n": len(lost),
            "with_dead_unit": sum(bool((firing[i] < DEAD).any()) for i in lost),
            "with_merged_units": sum(merged(after[i], firing[i]) for i in lost),
            "with_one_direction_twice": sum(
                merged(after[i], firing[i], any_sign=True) for i in lost
            ),
            "with_negative_outgoing_at_start": int(negative[lost].sum()),
            "with_negative_outgoing_at_end": sum(
                bool((after[i].outgoing < 0).any()) for i in lost
            ),
        },
        "frozen": _flips(before, after, frozen=True),
        "free": _flips(before, after, frozen=False),
        "success_by_positive_outgoing": {
            str(k): rate(won[positives == k]) for k in range(UNITS + 1)
        },
        "success_with_frozen_negative": rate(won[stuck]),
        "success_without_frozen_negative": rate(won[~stuck]),
    }


def _flips(before: list[Units], after: list[Units], *, frozen: bool) -> dict[str, Any]:
    """How many outgoing weights changed sign, of units frozen at the start or free."""
    flipped = n = 0
    for old, new in zip(before, after, strict=True):
        chosen = old.frozen == frozen
        n += int(chosen.sum())
        flipped += int((chosen & (old.outgoing * new.outgoing < 0)).sum())
    return {"flipped": flipped, "n": n, "interval": list(wilson_interval(flipped, n))}
