"""The engine: every rule is asked, whatever the others do; the cause comes first."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders import trace_of
from reluctant.diagnosis import diagnose
from reluctant.records import Confidence, Evidence, Finding, Note, Severity, Trace
from reluctant.records.quantities import GRAD_RMS, LOSS
from reluctant.rules import Blind, Rule


def rule(code: str, act: object, needs: tuple[object, ...] = (LOSS,)) -> Rule:
    """A rule that does what it is told."""

    @dataclass(frozen=True)
    class Told(Rule):
        """Told."""

        def check(self, trace: Trace) -> Iterator[Finding]:
            yield from act(self)  # type: ignore[operator]

    Told.code, Told.severity, Told.since = code, Severity.ERROR, "0"
    Told.needs = needs  # type: ignore[assignment]
    return Told()


def found(
    since: int = 0,
    severity: Severity = Severity.ERROR,
    confidence: Confidence = Confidence.HIGH,
) -> object:
    def act(told: Rule) -> Iterator[Finding]:
        seen = Evidence(quantity="loss", site="", step=since, value=1.0, limit=0.0)
        yield told.finding(
            "it is so",
            evidence=(seen,),
            since_step=since,
            severity=severity,
            confidence=confidence,
        )

    return act


def fails(error: Exception) -> object:
    def act(told: Rule) -> Iterator[Finding]:
        raise error
        yield

    return act


def clear(told: Rule) -> Iterator[Finding]:
    yield from ()


TRACE = trace_of(loss=[1.0, 0.5, 0.2])


def test_one_rule_that_breaks_breaks_alone() -> None:
    rules = [
        rule("AAA101", fails(ZeroDivisionError("by hand"))),
        rule("AAA102", fails(Blind("3 steps, 10 needed"))),
        rule("AAA103", clear),
        rule("AAA104", found()),
        rule("AAA105", found(), needs=(GRAD_RMS,)),
    ]
    diagnosis = diagnose(TRACE, rules)
    assert [(c.outcome, c.reason) for c in diagnosis.checks] == [
        ("broken", "ZeroDivisionError: by hand"),
        ("blind", "3 steps, 10 needed"),
        ("clear", ""),
        ("found", ""),
        ("blind", "never measured: grad_rms"),
    ]
    assert [f.code for f in diagnosis.findings] == ["AAA104"]
    assert [c.code for c in diagnosis.blind] == ["AAA101", "AAA102", "AAA105"]
    assert [c.code for c in diagnosis.ruled_out] == ["AAA103"]


def test_the_cause_comes_before_what_it_explains() -> None:
    # scale-too-small explains dead units, which explain a constant predictor
    rules = [
        rule("HED101", found(since=0)),
        rule("INI101", found(since=9)),
        rule("UNT101", found(since=3)),
    ]
    diagnosis = diagnose(TRACE, rules)
    assert diagnosis.findings[0].code == "INI101"
    assert diagnosis.explained["UNT101"] == "INI101"
    assert set(diagnosis.explained) == {"UNT101", "HED101"}
    assert diagnosis.root is not None
    assert diagnosis.root.code == "INI101"


def test_of_two_roots_the_graver_and_surer_comes_first() -> None:
    low = rule("LOP201", found(confidence=Confidence.LOW))
    warning = rule("GRD101", found(severity=Severity.WARNING))
    high = rule("INI102", found(since=5))
    codes = [f.code for f in diagnose(TRACE, [low, warning, high]).findings]
    assert codes[0] == "INI102"


def test_notes_are_no_headline() -> None:
    diagnosis = diagnose(TRACE, [rule("UNT101", found(severity=Severity.NOTE))])
    assert diagnosis.findings
    assert diagnosis.root is None


def test_an_empty_trace_is_blind_and_not_clear() -> None:
    assert {c.outcome for c in diagnose(Trace()).checks} == {"blind"}


@pytest.mark.parametrize("ended", [True, False])
def test_a_record_without_an_end_says_so(tmp_path: Path, ended: bool) -> None:
    trace = Trace(sink=tmp_path / "a.trace")
    trace.extend(0, [("loss", "", 1.0)])
    if ended:
        trace.note(Note(1, "cost", "", "watching took 0.1 s"))
    trace.close()
    notes = diagnose(Trace.open(tmp_path / "a.trace")).notes
    assert any("has no end" in note for note in notes) is not ended


def test_a_printed_diagnosis_starts_with_its_headline() -> None:
    rules = [rule("INI101", found()), rule("UNT101", found()), rule("AAA103", clear)]
    lines = str(diagnose(TRACE, rules)).splitlines()
    assert lines[0] == "told (INI101): it is so"
    assert lines[1] == "  error: told (UNT101): it is so"
    assert lines[-1] == "  1 of 3 rules clear"
    assert str(diagnose(TRACE, [rule("AAA103", clear)])).startswith("nothing found")


def test_two_roots_of_one_effect_are_not_decided_and_a_trial_is_named() -> None:
    # a double softmax and a start that is too small both starve a network
    rules = [rule(code, found()) for code in ("HED201", "INI101", "HED101")]
    (rivals,) = diagnose(TRACE, rules).rivals
    assert set(rivals.causes) == {"HED201", "INI101"}
    assert rivals.effects == ("HED101",)
    assert "(HED201) removed alone" in rivals.trial
    assert "(INI101) removed alone" in rivals.trial


def test_a_chain_of_causes_has_no_rivals() -> None:
    rules = [rule(code, found()) for code in ("INI101", "UNT101", "HED101")]
    assert diagnose(TRACE, rules).rivals == ()


def test_a_note_is_no_rival() -> None:
    note = rule("HED201", found(severity=Severity.NOTE))
    rules = [note, rule("INI101", found()), rule("HED101", found())]
    assert diagnose(TRACE, rules).rivals == ()
