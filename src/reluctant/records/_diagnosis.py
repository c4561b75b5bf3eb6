"""What was concluded from a trace, and what could not be looked at."""

from typing import Literal

import msgspec

from reluctant.records._finding import Finding, Severity
from reluctant.records._prescription import Prescription


class Check(msgspec.Struct, frozen=True):
    """What became of one rule. `blind` is not `clear`: silence is not health.

    Attributes:
        code: The rule's code.
        name: The rule's name.
        outcome: `"clear"` only where the rule had enough to look at.
        reason: What it lacked, or how it broke; empty for found and clear.
    """

    code: str
    name: str
    outcome: Literal["found", "clear", "blind", "broken"]
    reason: str = ""


class Exam(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement that a check made on copies, before training.

    Attributes:
        name: Such as `"overfit"`.
        outcome: `"blind"` where it could not be taken.
        text: What it measured, or why it could not.
        seconds: How long it took.
    """

    name: str
    outcome: Literal["measured", "blind"]
    text: str
    seconds: float = 0.0


class Rivals(msgspec.Struct, frozen=True, kw_only=True):
    """Causes between which the evidence does not decide, and what would.

    Attributes:
        effects: Codes of findings that each of the causes can bring about.
        causes: Codes of findings, the likelier one first; no two of them cause each
            other.
        trial: Which trial would tell, as a sentence.
    """

    effects: tuple[str, ...]
    causes: tuple[str, ...]
    trial: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One headline, what follows from it, and for every rule whether it could look.

    Attributes:
        findings: In causal order: the root cause first, then what it explains, then
            what stands beside it.
        explained: Code of a finding to the code of the finding that explains it.
        checks: One for each rule that was asked, in the order of codes.
        prescriptions: In the order of the findings.
        step: The last step that was looked at; -1 for an empty trace.
        training: What the user calls the model.
        notes: What a reader should know about the record itself: what was hidden from
            view, damage, what watching cost.
        exams: What a check measured; empty for a watched run.
        rivals: Where several causes stay possible.
    """

    findings: tuple[Finding, ...] = ()
    explained: dict[str, str] = {}
    checks: tuple[Check, ...] = ()
    prescriptions: tuple[Prescription, ...] = ()
    step: int = -1
    training: str = "model"
    notes: tuple[str, ...] = ()
    exams: tuple[Exam, ...] = ()
    rivals: tuple[Rivals, ...] = ()

    def __str__(self) -> str:
        """The headline and what stands under it, a line each, for `print`."""
        root = self.root
        lines = [
            f"{root.name} ({root.code}): {root.message}"
            if root
            else "nothing found that keeps it from learning"
        ]
        lines += [
            f"  {f.severity.value}: {f.name} ({f.code}): {f.message}"
            for f in self.findings
            if f is not root
        ]
        lines += [f"  {rivals.trial}" for rivals in self.rivals]
        lines += [f"  {p.remedy}: {p.because}" for p in self.prescriptions]
        blind = [f"{c.name} ({c.reason})" for c in self.blind]
        counted = f"{len(self.ruled_out)} of {len(self.checks)} rules clear"
        lines.append(
            f"  {counted}; blind: {', '.join(blind)}" if blind else f"  {counted}"
        )
        return "\n".join(lines)

    @property
    def root(self) -> Finding | None:
        """The headline: the first finding, unless all that was found are notes."""
        first = self.findings[0] if self.findings else None
        return first if first and first.severity is not Severity.NOTE else None

    @property
    def ruled_out(self) -> tuple[Check, ...]:
        """The rules that looked and saw nothing."""
        return tuple(c for c in self.checks if c.outcome == "clear")

    @property
    def blind(self) -> tuple[Check, ...]:
        """The rules that could not look, or broke."""
        return tuple(c for c in self.checks if c.outcome in ("blind", "broken"))
