"""A piece of advice that was tested: what was compared, and what came of it."""

from typing import Literal, TypeAlias

import msgspec

from reluctant.records._figure import Figure

Holds: TypeAlias = Literal["yes", "partly", "no", "open"]
Verdict: TypeAlias = Literal["upheld", "refuted", "depends", "not settled"]


class ClaimArm(msgspec.Struct, frozen=True, kw_only=True):
    """One way to train, on the cases of one setting.

    Attributes:
        label: What was done.
        value: What came of it.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Trainings.
    """

    label: str
    value: float
    low: float
    high: float
    n: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two or more ways to train the same cases.

    Attributes:
        setting: On what.
        arms: Untreated first.
        holds: Whether the claim holds here. `partly` is an effect that falls short of
            what is claimed, `open` an effect that the trials cannot tell from none.
        told: The comparison in one clause, with difference, interval and p-value.
    """

    setting: str
    arms: tuple[ClaimArm, ...]
    holds: Holds
    told: str


class ClaimResult(msgspec.Struct, frozen=True, kw_only=True):
    """One claim, tested.

    Attributes:
        name: In kebab-case.
        case: Of whose thread it is.
        claim: The advice, as a sentence.
        population: Which trainings it was tested on, how many, what was equal in both
            arms.
        measure: What `value` of an arm is.
        is_share: Whether that is a share, from 0 to 1.
        comparisons: One a setting.
        figure: What is to be seen.
        remark: What a reader should know besides, or `""`.
    """

    name: str
    case: str
    claim: str
    population: str
    measure: str
    is_share: bool
    comparisons: tuple[Comparison, ...]
    figure: Figure
    remark: str = ""

    @property
    def verdict(self) -> Verdict:
        """Upheld or refuted where all settings say so; else it depends on them."""
        said = {c.holds for c in self.comparisons}
        if said == {"yes"}:
            return "upheld"
        if said == {"no"}:
            return "refuted"
        return "not settled" if "open" in said and len(said) == 1 else "depends"
