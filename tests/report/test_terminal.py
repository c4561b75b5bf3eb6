import re
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnoses import CASES, DEAD, HOSTILE, SICK, STEP
from reluctant.records import Diagnosis, Finding
from reluctant.report import FORMATS, Page, terminal


def test_the_headline_comes_before_all_else() -> None:
    text = terminal.render([SICK])
    at = [text.index(f.code) for f in SICK.findings]
    assert all(a < b for a, b in pairwise(at))
    assert text.index("What to do") > max(at)


@pytest.mark.parametrize("case", CASES)
def test_no_color_unless_asked_for(case: str) -> None:
    assert "\x1b" not in terminal.render(CASES[case], page=Page(verbose=True))


@given(st.integers(40, 120))
def test_a_number_is_never_cut(width: int) -> None:
    text = terminal.render([SICK], page=Page(width=width))
    numbers = re.findall(r"\d[\d.,e+-]*\d", " ".join(f.message for f in SICK.findings))
    words = set(re.findall(r"\d[\d.,e+-]*\d", text))
    assert set(numbers) <= words


@given(st.integers(50, 120))
def test_prose_stays_within_the_width(width: int) -> None:
    page = Page(width=width, verbose=True)
    prose = [
        line
        for line in terminal.render([SICK], page=page).splitlines()
        if not line.lstrip().startswith(("+", "-", "#")) or " (" in line
    ]
    code = [line for line in prose if "torch.optim" in line]
    assert all(len(line) <= width for line in prose if line not in code)


def test_source_code_is_never_wrapped() -> None:
    narrow = terminal.render([SICK], page=Page(width=40))
    assert "torch.optim.SGD(model.parameters(), lr=0.061)\n" in narrow


def test_a_usual_page_fits_a_screen() -> None:
    usual = msgspec.structs.replace(
        SICK, findings=SICK.findings[:3], prescriptions=SICK.prescriptions[:1]
    )
    assert len(terminal.render([usual]).splitlines()) <= 24


def test_what_was_not_judged_is_never_called_healthy() -> None:
    (empty,) = CASES["empty"]
    assert "CLEAR" not in terminal.render([empty])
    (clear,) = CASES["clear"]
    assert "does not speak for 5 rules" in terminal.render([clear])


def test_many_effects_are_named_not_listed() -> None:
    effects = [
        msgspec.structs.replace(DEAD, code=f"UNT{n}", name=f"effect-{n}")
        for n in range(201, 221)
    ]
    d = Diagnosis(
        findings=(STEP, *effects), explained={f.code: STEP.code for f in effects}
    )
    short = terminal.render([d])
    assert len(short.splitlines()) < 24
    assert "and effect-205 (UNT205)" in short
    assert "and 10 more" in short
    full = terminal.render([d], page=Page(verbose=True))
    assert all(f.name in full for f in effects)


def test_two_findings_of_one_rule_share_their_effects_once() -> None:
    twin: Finding = msgspec.structs.replace(STEP, message="another one")
    d = Diagnosis(findings=(STEP, twin, DEAD), explained={DEAD.code: STEP.code})
    text = terminal.render([d])
    assert text.count(DEAD.code) == 1
    assert text.count(STEP.code) == 2


@pytest.mark.parametrize("form", ["terminal", "concise"])
def test_a_name_cannot_steer_the_terminal(form: str) -> None:
    text = FORMATS[form]([HOSTILE])
    assert "\x1b" not in text
    assert "[bold]on[/bold] :warning:" in text
    text.encode("utf-8")


def test_concise_is_one_line_a_finding_and_one_a_training() -> None:
    for diagnoses in CASES.values():
        lines = FORMATS["concise"](diagnoses).splitlines()
        expected = sum(1 + len(d.findings) for d in diagnoses)
        assert len(lines) == max(expected, 1)


@given(st.integers(40, 120))
def test_no_sign_is_torn_from_its_number(width: int) -> None:
    finding = msgspec.structs.replace(STEP, message="the gauge is 66.5 ± 59, 95 % " * 9)
    text = terminal.render([Diagnosis(findings=(finding,))], page=Page(width=width))
    assert text.count("66.5 ± 59") == text.count("95 %") == 9
