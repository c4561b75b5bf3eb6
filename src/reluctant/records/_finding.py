"""What a rule says: the problem, where, since when, and the numbers behind it."""

import enum

import msgspec

from reluctant.records._certificate import DeathCertificate


class Severity(enum.Enum):
    """How much of the training the problem costs if it is real."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Confidence(enum.Enum):
    """How sure the rule is that the problem is real."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One number that the finding rests on, next to the limit that it crossed.

    Attributes:
        quantity: Name of what was measured, usually a `Quantity`.
        site: Where.
        step: When.
        value: What it was. nan and inf are values.
        limit: What it crossed.
        note: What a reader needs besides, such as `"0 of 12,800 samples"`.
    """

    quantity: str
    site: str
    step: int
    value: float
    limit: float
    note: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A problem that a rule found. States the problem, never the remedy.

    Attributes:
        code: The rule's code, such as `"UNT101"`.
        name: The rule's name, such as `"dead-unit"`.
        severity: How much it costs if real.
        confidence: How sure it is that it is real.
        message: One clause with the numbers; reads after the name.
        sites: All places where it shows, worst first.
        units: For each site the ids of the units concerned, where units are concerned.
        since_step: The first step at which the problem was there.
        evidence: Worst first.
        certificates: For each unit that is called dead, how surely it is.
    """

    code: str
    name: str
    severity: Severity
    confidence: Confidence
    message: str
    sites: tuple[str, ...] = ()
    units: dict[str, tuple[int, ...]] = {}
    since_step: int = 0
    evidence: tuple[Evidence, ...] = ()
    certificates: tuple[DeathCertificate, ...] = ()
