"""Where a training fails: success over learning rate and seed, and other settings."""

import math
from typing import Literal, TypeAlias

import msgspec

Setting: TypeAlias = dict[str, int | float | str]

MapOutcome: TypeAlias = Literal[
    "trained", "slow", "stuck", "dead", "diverged", "raised", "hung"
]


class MapRun(msgspec.Struct, frozen=True, kw_only=True):
    """One training of the map.

    Attributes:
        rate: Learning rate.
        seed: Of the recipe.
        outcome: `trained` if it met the criterion. `slow`: it had not yet, and the loss
            was still falling. `stuck`: it no longer fell. `dead`: an output no longer
            depends on the input. `diverged`: not finite, or far above its start.
            `raised`: ended by an error. `hung`: took longer than it may.
        gain: How far from the best constant predictor (0) to perfection (1); nan where
            that is not known.
        loss: At the end, over the training data; nan if it was not reached.
        score: Share classified rightly; nan where targets are not classes.
        steps: Steps taken.
        reason: Of an error, in one line.
    """

    rate: float
    seed: int
    outcome: MapOutcome
    gain: float
    loss: float
    score: float
    steps: int
    reason: str = ""


class MapCell(msgspec.Struct, frozen=True, kw_only=True):
    """All trainings at one learning rate.

    Attributes:
        rate: Learning rate.
        n: Trainings.
        successes: Of them, trained.
        probability: successes / n.
        low: Lower end of the 95 % Wilson interval of the probability.
        high: Upper end.
        failures: Outcome to how many.
        expected_trainings: Until the first success, 1 / probability; inf without any.
        trainings_for_99: Restarts after which one has succeeded in 99 of 100 cases.
    """

    rate: float
    n: int
    successes: int
    probability: float
    low: float
    high: float
    failures: dict[str, int]
    expected_trainings: float
    trainings_for_99: float


class SeedThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """Where one seed stops to train.

    Attributes:
        seed: Of the recipe.
        low: Largest rate that still succeeded; 0 if none did.
        high: Smallest rate above it that was tried; inf if there is none.
        is_monotone: Whether every lower rate that was tried succeeded too, or was too
            slow.
    """

    seed: int
    low: float
    high: float
    is_monotone: bool


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """The largest learning rate at which half of the seeds still train.

    Attributes:
        median: Geometric middle of the median bracket; nan if the rates do not enclose
            it.
        low: Lower end of the interval; 0 if below all rates.
        high: Upper end; inf if above all rates.
        coverage: Of the interval; below 0.95 where there are fewer than six seeds.
        method: How the interval was made.
        by_seed: In the order of the seeds.
        predicted: Limit told from short trainings; nan without one.
        predicted_low: Lower end of its interval.
        predicted_high: Upper end.
        predicted_note: Why there is none; empty if there is one.
    """

    median: float
    low: float
    high: float
    coverage: float
    method: str
    by_seed: tuple[SeedThreshold, ...]
    predicted: float
    predicted_low: float
    predicted_high: float
    predicted_note: str = ""


class MapSlice(msgspec.Struct, frozen=True, kw_only=True):
    """The map at one setting of everything but rate and seed.

    Attributes:
        setting: Name of each further axis to its value; empty without further axes.
        steps: That each training may take.
        cells: By rising rate; only rates at which something was trained.
        runs: Each training, by rate and seed.
        threshold: Where it stops to train.
    """

    setting: Setting
    steps: int
    cells: tuple[MapCell, ...]
    runs: tuple[MapRun, ...]
    threshold: Threshold


class SuccessMap(msgspec.Struct, frozen=True, kw_only=True):
    """Success over learning rate, seed and further settings.

    Attributes:
        recipe: As it was named.
        criterion: What counts as success, such as `gap<0.05`.
        meaning: The same as a clause with its numbers.
        engine: `fused` or `torch`.
        rates: The grid, rising.
        seeds: In the order in which they are used.
        axes: Further axes: name to values.
        is_full: Whether every cell of the grid was asked for.
        is_complete: Whether all that was asked for is there.
        slices: One for each combination of `axes`.
        notes: What a reader has to know besides.
        own_rate: The recipe's own learning rate; nan where that is not known.
    """

    recipe: str
    criterion: str
    meaning: str
    engine: str
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    axes: dict[str, tuple[int | float | str, ...]]
    is_full: bool
    is_complete: bool
    slices: tuple[MapSlice, ...]
    notes: tuple[str, ...] = ()
    own_rate: float = math.nan

    @property
    def trainings(self) -> int:
        """Trainings in the map."""
        return sum(len(part.runs) for part in self.slices)

    @property
    def grid(self) -> int:
        """Trainings of the full grid."""
        return len(self.rates) * len(self.seeds) * len(self.slices)
