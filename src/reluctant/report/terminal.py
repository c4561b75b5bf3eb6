"""The page a person reads: one headline, what follows from it, what to do.

The whole layout stands in this one file, in the order in which it is printed.
"""

import re
from collections.abc import Iterator, Sequence

from rich.text import Text

from reluctant.records import Check, Diagnosis, Finding, Prescription, Severity
from reluctant.report._changes import code_of, title_of
from reluctant.report._deaths import deaths
from reluctant.report._page import (
    PLAIN,
    Page,
    counts,
    names,
    printable,
    where,
    worst_first,
)
from reluctant.report._paper import KEEP, Paper

_COLOR = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}
_MOST_EFFECTS = 4  # the others are named; --verbose lists them
_MOST_CURES = 3
_MOST_REASONS = 3
_MOST_FATES = 3  # of units called dead; --verbose lists all
_MOST_EVIDENCE = 8  # of each finding, with --verbose


def render(diagnoses: Sequence[Diagnosis], *, page: Page = PLAIN) -> str:
    """Render for a person at a terminal, the training that fares worst first.

    Args:
        diagnoses: One for each training.
        page: Width, color, and whether everything is told.
    """
    if not diagnoses:
        return "No training was recorded: no optimizer took a step.\n"
    return "\n".join(_one(d, page) for d in worst_first(diagnoses))


def _one(d: Diagnosis, page: Page) -> str:
    paper = Paper(page)
    steps = f"judged up to step {d.step:,}" if d.step >= 0 else "no step recorded"
    paper.put(Text.assemble((printable(d.training), "bold"), (f", {steps}", "dim")))
    paper.gap()
    if d.root is None:
        _clear(paper, d, page)
    else:
        _headline(paper, d.root, page)
        if any(_under(d.root, d)):
            paper.title("What follows from it", 2)
        _effects(paper, d.root, d, page, indent=4)
    _others(paper, d, page)
    for rivals in d.rivals:
        paper.title("Not decided")
        paper.item("-", Text(_prose(rivals.trial)), 2)
    _cures(paper, d, page)
    _exams(paper, d)
    _judged(paper, d, page)
    return str(paper)


def _clear(paper: Paper, d: Diagnosis, page: Page) -> None:
    if not d.ruled_out and not d.findings:
        words = "Nothing could be judged" + ": no step was recorded." * (d.step < 0)
        _tag(paper, "BLIND", "magenta", Text(f"{words.rstrip('.')}.", "bold"))
        _blind(paper, d.blind, page, indent=2)
        return
    words = "Nothing found that keeps it from learning."
    _tag(paper, "CLEAR", "green", Text(words, "bold"))
    if d.blind:
        n = len(d.blind)
        rules = "one rule" if n == 1 else f"{n} rules"
        paper.put(f"This does not speak for {rules} that could not judge:", 2)
        _blind(paper, d.blind, page, indent=4)


def _headline(paper: Paper, root: Finding, page: Page) -> None:
    head = Text.assemble(
        (root.name, "bold"),
        f" ({root.code}), {root.confidence.value} confidence, "
        f"since step {root.since_step:,}",
    )
    _tag(paper, root.severity.value.upper(), _COLOR[root.severity], head)
    paper.put(_prose(root.message), 2)
    if root.units or len(root.sites) > 1:
        paper.put(Text(f"sites: {where(root)}", "dim"), 2)
    _evidence(paper, root, page, indent=2)
    _deaths(paper, root, page, indent=2, most=_MOST_FATES)


def _under(
    cause: Finding, d: Diagnosis, depth: int = 0
) -> Iterator[tuple[int, Finding]]:
    """What a finding explains, and what that explains, with how far removed it is."""
    if cause is not next(f for f in d.findings if f.code == cause.code):
        return  # of several findings with one code, the first stands for all
    for finding in d.findings:
        if d.explained.get(finding.code) == cause.code != finding.code:
            yield depth, finding
            yield from _under(finding, d, depth + 1)


def _effects(
    paper: Paper, cause: Finding, d: Diagnosis, page: Page, indent: int
) -> None:
    effects = list(_under(cause, d))
    most = len(effects) if page.verbose else _MOST_EFFECTS
    for depth, finding in effects[:most]:
        _finding(paper, finding, page, indent + 2 * depth)
    if effects[most:]:
        rest = names([f"{f.name} ({f.code})" for _, f in effects[most:]], 6)
        paper.item("-", Text(f"and {rest}"), indent)


def _others(paper: Paper, d: Diagnosis, page: Page) -> None:
    """Findings that nothing explains, besides the headline."""
    codes = {f.code for f in d.findings}
    others = [
        f
        for f in d.findings
        if f is not d.root and d.explained.get(f.code) not in codes
    ]
    for title, part in (
        ("Also found", [f for f in others if f.severity is not Severity.NOTE]),
        ("Worth knowing", [f for f in others if f.severity is Severity.NOTE]),
    ):
        if part:
            paper.title(title)
        for finding in part:
            _finding(paper, finding, page, indent=2)
            _effects(paper, finding, d, page, indent=4)


def _finding(paper: Paper, finding: Finding, page: Page, indent: int) -> None:
    line = Text.assemble(
        (finding.name, _COLOR[finding.severity]),
        f" ({finding.code}){_since(finding)}: ",
        _prose(finding.message),
    )
    paper.item("-", line, indent)
    _evidence(paper, finding, page, indent + 2)
    _deaths(paper, finding, page, indent + 2, most=1)


def _deaths(paper: Paper, finding: Finding, page: Page, indent: int, most: int) -> None:
    """How surely units are dead, and what could wake them."""
    told = list(deaths(finding.certificates))
    shown = len(told) if page.verbose else most
    for sentence in told[:shown]:
        paper.item("†", Text(_prose(sentence)), indent)
    if told[shown:]:
        rest = f"and {len(told) - shown} more (--verbose lists them)"
        paper.put(Text(rest, "dim"), indent + 2)


def _since(finding: Finding) -> str:
    """When it began, unless the message says so itself."""
    step = f"step {finding.since_step:,}"
    said = re.search(rf"\b{step}\b", finding.message)
    return "" if said else f", since {step}"


def _evidence(paper: Paper, finding: Finding, page: Page, indent: int) -> None:
    if not page.verbose:
        return
    for e in finding.evidence[:_MOST_EVIDENCE]:
        site = f" at {printable(e.site)}" if e.site else ""
        note = f" ({printable(e.note)})" if e.note else ""
        number = f"step {e.step:,}: {e.value:.4g}, limit {e.limit:.4g}"
        line = f"{printable(e.quantity)}{site}, {number}{note}"
        paper.item("·", Text(line, "dim"), indent)
    rest = len(finding.evidence) - _MOST_EVIDENCE
    if rest > 0:
        paper.put(Text(f"and {rest:,} more such numbers", "dim"), indent)


def _cures(paper: Paper, d: Diagnosis, page: Page) -> None:
    """What to do about the headline, and about what nothing explains."""
    once: dict[tuple[str, str], Prescription] = {}
    for cure in d.prescriptions:
        once.setdefault((cure.remedy, cure.patch), cure)
    cures = list(once.values())
    direct = [p for p in cures if p.cures not in d.explained] or cures
    shown = cures if page.verbose else direct[:_MOST_CURES]
    if not shown:
        return
    paper.title("What to do")
    for number, cure in enumerate(shown, 1):
        line = Text.assemble(
            (title_of(cure), "green"),
            f" ({cure.trust}, for {cure.cures}): {_prose(cure.because)}",
        )
        paper.item(f"{number}.", line, 2)
        for row in code_of(cure):
            paper.code(row, 7)
    if len(cures) > len(shown):
        paper.put(f"and {len(cures) - len(shown)} more (--verbose lists them)", 2)


def _exams(paper: Paper, d: Diagnosis) -> None:
    """What a check measured, a line each."""
    if not d.exams:
        return
    paper.title("What was looked at")
    for exam in d.exams:
        is_blind = exam.outcome == "blind"
        line = Text.assemble(
            (printable(exam.name), "magenta" if is_blind else "bold"),
            (f", {exam.seconds:.2f} s", "dim"),
            f": {'blind, ' * is_blind}{_prose(exam.text)}",
        )
        paper.item("-", line, 2)


def _judged(paper: Paper, d: Diagnosis, page: Page) -> None:
    """How many rules could look, why the others could not, and what the record is."""
    paper.gap()
    told = d.root is None or page.verbose  # a clear page says above who was blind
    paper.put(counts(d) + " (--verbose says why)" * bool(d.blind and not told))
    if page.verbose and d.root is not None:
        _blind(paper, d.blind, page, indent=2)
    if page.verbose and d.ruled_out:
        clear = [f"{check.name} ({check.code})" for check in d.ruled_out]
        paper.item("Ruled out:", Text(names(clear, len(clear)), "dim"))
    most = len(d.notes) if page.verbose else _MOST_REASONS
    for note in d.notes[:most]:
        paper.item("Record:", Text(_prose(note), "dim"))
    if d.notes[most:]:
        paper.put(f"Record: {len(d.notes) - most} more notes (--verbose lists them)")


def _blind(paper: Paper, checks: Sequence[Check], page: Page, indent: int) -> None:
    """The rules that could not judge, by reason; the commonest reason first."""
    by_reason: dict[str, list[str]] = {}
    for check in checks:
        reason = f"{'broke: ' * (check.outcome == 'broken')}{check.reason}"
        by_reason.setdefault(reason, []).append(f"{check.name} ({check.code})")
    groups = sorted(by_reason.items(), key=lambda group: -len(group[1]))
    most = len(groups) if page.verbose else _MOST_REASONS
    for reason, rules in groups[:most]:
        who = names(rules, len(rules) if page.verbose else 2)
        paper.item("-", Text(f"{who}: {printable(reason)}", "dim"), indent)
    rest = sum(len(rules) for _, rules in groups[most:])
    if rest:
        paper.put(Text(f"and {rest} more for other reasons", "dim"), indent)


def _prose(text: str) -> str:
    """The text, in which no sign is torn from its number."""
    return re.sub(r"(?<=\d) (?=[%×±])|(?<=[×±]) (?=\d)", KEEP, printable(text))


def _tag(paper: Paper, word: str, color: str, text: Text) -> None:
    paper.put(Text.assemble((word, f"bold {color}"), "  ", text))
