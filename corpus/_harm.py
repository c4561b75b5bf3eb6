"""What the faults cost: the score of a faulty run beside that of its repaired twin."""

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from corpus._recipes import recipes
from corpus._watched import Job

FILE = Path(__file__).parent / "harm.json"
BETTER = 0.02  # of an accuracy; of a loss, a twentieth


class Pair(msgspec.Struct, frozen=True):
    """Scores of one recipe by seed; more is better.

    Attributes:
        is_loss: Whether they are final training losses, with the sign turned.
        faulty: None where the training did not survive.
        repaired: Likewise.
    """

    is_loss: bool
    faulty: tuple[float | None, ...]
    repaired: tuple[float | None, ...]

    @property
    def helped(self) -> bool:
        """Whether the repair trains measurably better, with every seed."""
        return all(
            repaired is not None
            and (faulty is None or repaired - faulty >= self._margin(faulty))
            for faulty, repaired in zip(self.faulty, self.repaired, strict=True)
        )

    def _margin(self, faulty: float) -> float:
        return abs(faulty) / 20 if self.is_loss else BETTER


def pairs(scores: Mapping[Job, float], seeds: int) -> dict[str, Pair]:
    """By recipe."""
    found = {}
    both = {(job.recipe.name, job.variant) for job in scores}
    faulty = {
        job.recipe.name: job.recipe
        for job in scores
        if {(job.recipe.name, v) for v in ("faulty", "repaired")} <= both
    }
    for name, recipe in sorted(faulty.items()):
        by_variant = {
            variant: tuple(
                _finite(scores[Job(recipe, variant, seed)]) for seed in range(seeds)
            )
            for variant in ("faulty", "repaired")
        }
        is_loss = not hasattr(recipe.load(), "score")
        found[name] = Pair(is_loss, by_variant["faulty"], by_variant["repaired"])
    return found


def unhelped(scores: Mapping[Job, float], seeds: int) -> list[str]:
    """Repairs without a measurable effect, a line each."""
    return [
        f"  {name}: {pair.faulty} -> {pair.repaired}"
        for name, pair in pairs(scores, seeds).items()
        if not pair.helped
    ]


def record(scores: Mapping[Job, float], seeds: int) -> None:
    """Write them down, where there are as many seeds as before or more."""
    known = recorded() if FILE.exists() else {}
    for name, pair in pairs(scores, seeds).items():
        if name not in known or len(known[name].faulty) <= seeds:
            known[name] = pair
    names = {r.name for r in recipes()}
    known = {name: known[name] for name in sorted(known) if name in names}
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1))


def recorded() -> dict[str, Pair]:
    """What was written down last."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Pair])


def _finite(score: float) -> float | None:
    return float(f"{score:.5g}") if math.isfinite(score) else None
