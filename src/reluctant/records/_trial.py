"""What happened when prescriptions were tried, and what was made of it."""

from typing import Literal, TypeAlias

import msgspec

from reluctant.records._diagnosis import Diagnosis
from reluctant.records._prescription import Change, Prescription

Verdict: TypeAlias = Literal["helped", "no difference", "hurt"]

UNTREATED, RESTART = "untreated", "restart"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One training of an arm.

    Attributes:
        seed: Equal seeds of two arms are a pair: one state, one order of batches.
        loss: At the end, over the training data; nan where there is none.
        score: Share classified rightly; nan where targets are not classes.
        success: By the trial's criterion.
        outcome: One word: `"trained"`, `"slow"`, `"stuck"`, `"dead"`, `"diverged"`,
            `"raised"` or `"hung"`.
        steps: Steps taken.
        reason: Of an error.
    """

    seed: int
    loss: float
    score: float
    success: bool
    outcome: str
    steps: int
    reason: str = ""


class Share(msgspec.Struct, frozen=True):
    """How often something succeeded, with Wilson's interval.

    Attributes:
        successes: Out of `n`.
        n: Trainings.
        low: Lower end of the interval.
        high: Upper end.
    """

    successes: int
    n: int
    low: float
    high: float

    @property
    def p(self) -> float:
        """The share; nan without trainings."""
        return self.successes / self.n if self.n else float("nan")


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """All trainings under one treatment.

    Attributes:
        name: `"untreated"`, `"restart"`, or the remedy, or two joined by `" + "`.
        prescriptions: In order of application; none for the two arms without.
        changes: As they were made to the first of its trainings.
        outcomes: By seed.
        success: How often.
        loss: Median over its trainings; nan and inf count as the largest.
        cost: Parameters × steps over those of an untreated training.
        engine: What trained it: `"fused"` or `"torch"`.
        refusal: Why it could not be tried; empty if it was.
    """

    name: str
    prescriptions: tuple[Prescription, ...] = ()
    changes: tuple[Change, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    success: Share = Share(0, 0, 0.0, 1.0)
    loss: float = float("nan")
    cost: float = 1.0
    engine: str = ""
    refusal: str = ""


class ArmComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One arm against another, pair by pair.

    Attributes:
        arm: The one that is judged.
        against: What it is compared with.
        pairs: How many.
        wins: Pairs with a loss lower by more than the margin; a diverged run is lost.
        losses: Pairs with a higher one.
        p_loss: Of the sign test on these.
        ratio: Median over pairs of the loss over the other's.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
        difference: Share of successes less the other's.
        difference_low: Lower end of its interval.
        difference_high: Upper end.
        p_success: Of the sign test on pairs of which one succeeded.
        verdict: What follows at the trial's level.
    """

    arm: str
    against: str
    pairs: int
    wins: int
    losses: int
    p_loss: float
    ratio: float
    ratio_low: float
    ratio_high: float
    difference: float
    difference_low: float
    difference_high: float
    p_success: float
    verdict: Verdict


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Paired trainings under rival treatments.

    Attributes:
        arms: Untreated first, then the plain restart, then the rivals as given.
        comparisons: Of each arm that was tried with the untreated one.
        seeds: Those that were used.
        steps: Of a training, from the state that pairs share.
        after: Steps that were done before that state.
        criterion: What counts as success, such as `"gap<0.05"`.
        meaning: The same as a clause, with its numbers.
        ended: Why no more seeds were used.
        notes: What a reader should know besides.
    """

    arms: tuple[Arm, ...]
    comparisons: tuple[ArmComparison, ...]
    seeds: tuple[int, ...]
    steps: int
    after: int
    criterion: str
    meaning: str
    ended: str = ""
    notes: tuple[str, ...] = ()

    def arm(self, name: str) -> Arm:
        """The arm of this name; KeyError if there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)

    def against_untreated(self, name: str) -> ArmComparison | None:
        """How an arm did against no treatment, if it was tried."""
        for comparison in self.comparisons:
            if comparison.arm == name:
                return comparison
        return None


class TreatmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """From a diagnosis to what helped, and everything that was tried on the way.

    Attributes:
        training: What the user calls the model, or the recipe.
        diagnosis: Of a watched copy.
        rounds: Trials by which rivals were sorted out, each on seeds of its own.
        confirmation: The winner on fresh seeds; None where there was no candidate.
        winner: Name of the confirmed arm; `""` where nothing helped beyond chance.
        changes: Of the winner, as they were made.
        patch: The winner as source code in the user's terms.
        verdict: One sentence.
        notes: What a reader should know besides.
    """

    training: str
    diagnosis: Diagnosis
    rounds: tuple[Trial, ...] = ()
    confirmation: Trial | None = None
    winner: str = ""
    changes: tuple[Change, ...] = ()
    patch: str = ""
    verdict: str = ""
    notes: tuple[str, ...] = ()

    def by_arm(self) -> dict[str, Trial]:
        """For each arm the round that tried it on most seeds; of equals the last."""
        found: dict[str, Trial] = {}
        for trial in self.rounds:
            for arm in trial.arms:
                known = found.get(arm.name)
                seeds = len(known.arm(arm.name).outcomes) if known else 0
                if len(arm.outcomes) >= seeds:
                    found[arm.name] = trial
        return found
