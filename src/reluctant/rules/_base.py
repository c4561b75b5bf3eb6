"""What every rule is."""

import abc
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, final

from reluctant.records import (
    Confidence,
    DeathCertificate,
    Evidence,
    Finding,
    Quantity,
    Severity,
    SuccessMap,
    Trace,
)


class Blind(Exception):
    """Raised by a rule that cannot judge yet; the message says what it lacks."""


BY_CHECK = "measured by `reluctant check` alone"  # why a watched run is blind to it


class Problem(abc.ABC):
    """What a rule is about, whatever it reads: its entry in the catalogue.

    A concrete rule is a frozen dataclass: its fields are its options, its docstring is
    its manual page, and `check` is a pure function of what it reads.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity]
    status: ClassVar[Literal["preview", "stable", "retired"]] = "preview"
    since: ClassVar[str]

    @classmethod
    @final
    def name(cls) -> str:
        """The class name in kebab-case: the problem, never the cure."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @final
    def finding(
        self,
        message: str,
        *,
        evidence: tuple[Evidence, ...],
        since_step: int,
        severity: Severity | None = None,
        confidence: Confidence = Confidence.HIGH,
        units: Mapping[str, tuple[int, ...]] | None = None,
        certificates: tuple[DeathCertificate, ...] = (),
    ) -> Finding:
        """Build a finding; its code, name and sites follow.

        Args:
            message: One clause with the numbers: where, what, against what, since when.
            evidence: Worst first; its sites are the finding's sites.
            since_step: The first step at which the problem was there.
            severity: The rule's own if left out.
            confidence: How sure the rule is.
            units: Ids of the units concerned, by site.
            certificates: One for each unit that is called dead.
        """
        return Finding(
            code=self.code,
            name=self.name(),
            severity=severity or self.severity,
            confidence=confidence,
            message=message,
            sites=tuple(dict.fromkeys(e.site for e in evidence)),
            units=dict(units or {}),
            since_step=since_step,
            evidence=evidence,
            certificates=certificates,
        )


class Rule(Problem):
    """A question asked of a trace, one training."""

    needs: ClassVar[tuple[Quantity, ...]]

    @abc.abstractmethod
    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield one finding for each problem, however many sites it shows at.

        Raises:
            Blind: If there is too little in the trace to judge.
        """


class EnsembleRule(Problem):
    """A question asked of a map, many trainings of one recipe."""

    @abc.abstractmethod
    def check(self, found: SuccessMap) -> Iterator[Finding]:
        """Yield one finding for each problem, however many settings it shows at.

        Raises:
            Blind: If there are too few trainings in the map to judge.
        """
