"""What is known of one unit's death, and of what could undo it."""

import math
from typing import Literal

import msgspec

Way = Literal["the layers below", "its own gradient", "momentum", "weight decay"]


class Revival(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a silent unit might be woken.

    Attributes:
        way: Which.
        outcome: Whether it can, as far as was measured.
        reason: Why, as a clause with the numbers.
    """

    way: Way
    outcome: Literal["can", "cannot", "unknown"]
    reason: str


class DeathCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """One unit that is called dead, and how surely.

    Attributes:
        site: Its layer.
        unit: Its index there.
        samples: It fired on 0 of so many.
        is_whole: Whether these were all the data, at weights that stood still.
        bound: What no input within the range seen can lift its pre-activation above,
            by interval arithmetic through the layers below; nan if unknown.
        since_step: The first step in which it was silent; 0 if it always was.
        died: The step and the batch whose update silenced it; empty if it always was.
        revivals: What could wake it, and what could not.
    """

    site: str
    unit: int
    samples: float
    is_whole: bool = False
    bound: float = math.nan
    since_step: int = 0
    died: str = ""
    revivals: tuple[Revival, ...] = ()

    @property
    def is_proven(self) -> bool:
        """Whether no input within the range seen can fire it."""
        return self.bound <= 0

    @property
    def can_wake(self) -> tuple[Revival, ...]:
        """The ways in which it can be woken."""
        return tuple(r for r in self.revivals if r.outcome == "can")

    @property
    def unknown(self) -> tuple[Revival, ...]:
        """The ways of which it is not known whether they can."""
        return tuple(r for r in self.revivals if r.outcome == "unknown")
