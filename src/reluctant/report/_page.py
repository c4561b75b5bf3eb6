"""What a report is written on, and the words that all formats share."""

from collections.abc import Iterable, Sequence

import msgspec

from reluctant.records import Confidence, Diagnosis, Finding, Severity

_SEVERITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
_CONFIDENCE = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """How much room there is, and how much is wanted.

    Attributes:
        width: Columns; text is wrapped there, source code is not.
        color: Whether escape sequences for color may be written.
        verbose: Whether evidence and each rule that could not judge are listed.
    """

    width: int = 80
    color: bool = False
    verbose: bool = False


PLAIN = Page()


def worst_first(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """By severity of the root cause, then confidence, then onset; clear ones last."""

    def weight(diagnosis: Diagnosis) -> tuple[int, int, int]:
        root = diagnosis.root
        if root is None:
            return (len(_SEVERITY), 0, 0)
        return (
            _SEVERITY[root.severity],
            _CONFIDENCE[root.confidence],
            root.since_step,
        )

    return sorted(diagnoses, key=weight)


def printable(text: str) -> str:
    """The text on one line, anything that could steer a terminal written out.

    Names come from the trained program, so a report trusts none of them.
    """
    return "".join(
        c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split())
    )


def names(items: Sequence[object], most: int) -> str:
    """The first few items, and how many more there are; none is cut."""
    shown = ", ".join(printable(str(item)) for item in items[:most])
    rest = len(items) - most
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def where(finding: Finding, most: int = 4) -> str:
    """The sites with their units, such as `fc2 (units 0, 3), fc1 (unit 7)`."""
    places = [
        f"{printable(site) or 'the whole run'}{_units(finding.units.get(site, ()))}"
        for site in finding.sites[:most]
    ]
    rest = len(finding.sites) - most
    return ", ".join(places) + (f" and {rest:,} more" if rest > 0 else "")


def _units(ids: Sequence[int]) -> str:
    if not ids:
        return ""
    return f" ({'unit' if len(ids) == 1 else 'units'} {names(ids, 6)})"


def counts(diagnosis: Diagnosis) -> str:
    """One line: how many rules were clear, found something, were blind, broke."""
    tally = {"clear": 0, "found": 0, "blind": 0, "broken": 0}
    for check in diagnosis.checks:
        tally[check.outcome] += 1
    n = tally["clear"]
    line = f"{n} {'rule' if n == 1 else 'rules'} clear, {tally['found']} found"
    line += f", {tally['blind']} blind"
    return line + (f", {tally['broken']} broken" if tally["broken"] else "")
