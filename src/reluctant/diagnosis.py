"""Ask every rule about a trace: the only way to a finding, live or replayed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from reluctant.records import (
    Check,
    Confidence,
    Diagnosis,
    Exam,
    Finding,
    Prescription,
    Rivals,
    Severity,
    SuccessMap,
    Trace,
)
from reluctant.records.quantities import EXAM_S
from reluctant.remedies import REMEDIES
from reluctant.rules import (
    CAUSES,
    ENSEMBLE_RULES,
    OF_THE_REPORT,
    RULES,
    Blind,
    EnsembleRule,
    Problem,
    Rule,
)

_SEVERITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
_CONFIDENCE = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}


def diagnose(trace: Trace, rules: Iterable[Rule] | None = None) -> Diagnosis:
    """Ask every rule about a trace, and every remedy about what they found.

    Args:
        trace: A recorded run, or the part of one recorded so far.
        rules: Rules to ask, with their options. All with their defaults if left out.

    Returns:
        Findings with the root cause first and what it explains under it, one check for
        each rule, prescriptions in the order of the findings.
    """
    rules = [rule() for rule in RULES] if rules is None else list(rules)
    results = [_ask(rule, trace) for rule in rules]
    found = [finding for findings, _ in results for finding in findings]
    findings, explained = _in_causal_order(found)
    prescriptions = _prescribe(findings, trace)
    return Diagnosis(
        findings=tuple(findings),
        explained=explained,
        checks=tuple(check for _, check in results),
        prescriptions=tuple(prescriptions),
        rivals=tuple(_rivals(findings, explained, prescriptions)),
        step=trace.last_step,
        training=trace.setup.name,
        notes=tuple(_about_the_record(trace)),
        exams=tuple(_exams(trace)),
    )


def diagnose_map(
    found: SuccessMap, rules: Iterable[EnsembleRule] | None = None
) -> Diagnosis:
    """Ask every rule about a map: what many trainings show and one does not.

    Args:
        found: A map, whole or broken off.
        rules: Rules to ask, with their options. All with their defaults if left out.

    Returns:
        As of one training, without prescriptions; `step` is the last one of the
        longest training.
    """
    rules = [rule() for rule in ENSEMBLE_RULES] if rules is None else list(rules)
    results = [_outcome(rule, partial(rule.check, found)) for rule in rules]
    findings, explained = _in_causal_order([f for part, _ in results for f in part])
    return Diagnosis(
        findings=tuple(findings),
        explained=explained,
        checks=tuple(check for _, check in results),
        rivals=tuple(_rivals(findings, explained, ())),
        step=max((run.steps for part in found.slices for run in part.runs), default=0)
        - 1,
        training=found.recipe,
        notes=found.notes,
    )


def _ask(rule: Rule, trace: Trace) -> tuple[list[Finding], Check]:
    """Ask one rule about a trace, if what it needs was measured."""
    missing = [q.name for q in rule.needs if not trace.has(q)]
    if missing:
        reason = f"never measured: {', '.join(missing)}"
        return [], Check(rule.code, rule.name(), "blind", reason)
    return _outcome(rule, partial(rule.check, trace))


def _outcome(
    rule: Problem, check: Callable[[], Iterator[Finding]]
) -> tuple[list[Finding], Check]:
    """What one rule says; whatever it does, the others still get asked."""
    code, name = rule.code, rule.name()
    try:
        found = list(check())
    except Blind as reason:
        return [], Check(code, name, "blind", str(reason))
    except Exception as error:  # a broken rule says so, and the others go on
        return [], Check(code, name, "broken", f"{type(error).__name__}: {error}")
    return found, Check(code, name, "found" if found else "clear")


def _in_causal_order(
    found: Sequence[Finding],
) -> tuple[list[Finding], dict[str, str]]:
    """Root causes first, each followed by what it explains.

    A finding is explained by the strongest other finding that the graph says can
    cause it, at any number of removes. What no finding explains is a root; roots are
    ordered by severity, then confidence, then onset; what is wrong with the report
    alone comes after what is wrong with the training, and explains nothing.
    """

    def weight(finding: Finding) -> tuple[int, bool, int, int, str]:
        return (
            _SEVERITY[finding.severity],
            _is_of_the_report(finding),
            _CONFIDENCE[finding.confidence],
            finding.since_step,
            finding.code,
        )

    reach = {f.code: _effects(f.code) for f in found}
    explained: dict[str, str] = {}
    for effect in found:
        # a note explains nothing worse than itself; of two that could cause each
        # other, the one with the earlier onset is the cause
        causes = [
            f
            for f in found
            if effect.code in reach[f.code]
            and f.code != effect.code
            and not _is_of_the_report(f)
            and (f.severity is not Severity.NOTE or effect.severity is Severity.NOTE)
            and not (f.code in reach[effect.code] and effect.since_step <= f.since_step)
        ]
        if causes:
            explained[effect.code] = min(causes, key=weight).code
    roots = sorted((f for f in found if f.code not in explained), key=weight)
    ordered: list[Finding] = []
    for root in roots:
        under = [f for f in found if _root_of(f.code, explained) == root.code]
        ordered += [root, *sorted((f for f in under if f is not root), key=weight)]
    return ordered, explained


def _is_of_the_report(finding: Finding) -> bool:
    """Whether the training is right, and only what is told of it is not."""
    found_by = finding.evidence[0].quantity if finding.evidence else ""
    return (finding.code, found_by) in OF_THE_REPORT


def _rivals(
    findings: Sequence[Finding],
    explained: dict[str, str],
    prescriptions: Sequence[Prescription],
) -> list[Rivals]:
    """Roots that can each bring about the same findings: which is it?

    Notes are no rivals of what is worse, and a cause is none of its own effects: only
    where two roots stand beside each other does the graph not decide.
    """
    roots = [
        f
        for f in findings
        if f.code not in explained
        and f.severity is not Severity.NOTE
        and not _is_of_the_report(f)
    ]
    shared: dict[tuple[str, ...], list[str]] = {}
    for effect in dict.fromkeys(f.code for f in findings if f.code in explained):
        causes = tuple(
            dict.fromkeys(f.code for f in roots if effect in _effects(f.code))
        )
        if len(causes) > 1:
            shared.setdefault(causes, []).append(effect)
    names = {f.code: f"{f.name} ({f.code})" for f in findings}
    cures: dict[str, str] = {}
    for p in prescriptions:
        cures.setdefault(p.cures, p.remedy)
    return [
        Rivals(
            effects=tuple(effects),
            causes=causes,
            trial=_trial(causes, effects, names, cures),
        )
        for causes, effects in shared.items()
    ]


def _trial(
    causes: Sequence[str],
    effects: Sequence[str],
    names: dict[str, str],
    cures: dict[str, str],
) -> str:
    """Which trial tells rivals apart: each removed alone, all else as it was."""
    cured = {code: f" (by {cures[code]})" if code in cures else "" for code in causes}
    arms = [f"{names[code]} removed alone{cured[code]}" for code in causes]
    gone = " and ".join(names[code] for code in effects)
    return (
        f"{' or '.join(names[code] for code in causes)} can each cause {gone}; what "
        f"would tell is a trial on equal seeds with {', another with '.join(arms)}: "
        "the cause is the one without which it does not come about"
    )


def _effects(code: str) -> frozenset[str]:
    """All codes that a code can cause, at any number of removes."""
    seen: set[str] = set()
    front = list(CAUSES.get(code, ()))
    while front:
        effect = front.pop()
        if effect not in seen:
            seen.add(effect)
            front += CAUSES.get(effect, ())
    return frozenset(seen)


def _root_of(code: str, explained: dict[str, str]) -> str:
    seen = {code}
    while code in explained and explained[code] not in seen:
        code = explained[code]
        seen.add(code)
    return code


def _prescribe(findings: Sequence[Finding], trace: Trace) -> list[Prescription]:
    """Ask each remedy about each finding that it treats."""
    proposals = (
        remedy().prescribe(finding, trace)
        for finding in findings
        for remedy in REMEDIES
        if finding.code in remedy.treats
    )
    return [p for p in proposals if p is not None]


def _exams(trace: Trace) -> list[Exam]:
    """What a check measured, in the order in which it did."""
    return [
        Exam(
            name=note.site,
            outcome="measured" if note.topic == "exam" else "blind",
            text=note.text,
            seconds=float(trace.series(EXAM_S, note.site).values[-1:].sum()),
        )
        for note in trace.notes()
        if note.topic in ("exam", "exam-blind")
    ]


def _about_the_record(trace: Trace) -> list[str]:
    """What a reader should know about the record itself."""
    hidden = [f"hidden from view: {reason}" for reason in trace.setup.hidden]
    blind = [f"{n.site} {n.text}" for n in trace.notes("blind")]
    cost = [n.text for n in trace.notes("cost")[-1:]]
    end = [n.text for n in trace.notes("end")[-1:]]
    if trace.frames and not trace.notes("cost"):
        end = ["the record has no end: the run was killed, or it still goes on"]
    damage = [f"damaged record: {line}" for line in trace.damage]
    return [*hidden, *dict.fromkeys(blind), *damage, *cost, *end]
