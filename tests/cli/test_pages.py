"""`reluctant explain`, `reluctant rules`, and what they say without arguments."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from reluctant.cli import main
from reluctant.remedies import REMEDIES
from reluctant.rules import ENSEMBLE_RULES, RULES

Call = Callable[..., Any]


def test_no_command_is_misuse_and_shows_the_help(reluctant: Call) -> None:
    done = reluctant()
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


def test_help_names_the_exit_codes(reluctant: Call) -> None:
    done = reluctant("--help")
    assert done.code == 0
    assert "Exit codes: 0 clear, 1 findings" in done.out


def test_version(reluctant: Call) -> None:
    done = reluctant("--version")
    assert done.code == 0
    assert re.fullmatch(r"reluctant \S.*\n", done.out)


def test_a_mistyped_command(reluctant: Call) -> None:
    done = reluctant("diagnoze")
    assert done.code == 2
    assert "diagnose" in done.err


def test_rules_are_listed_one_a_line(reluctant: Call) -> None:
    done = reluctant("rules")
    head, *lines = done.out.splitlines()
    assert done.code == 0
    assert head.split("\t") == ["code", "name", "severity", "status", "what"]
    assert [line.split("\t")[:3] for line in lines] == [
        ["OTH101", "uphill-step", "error"],
        ["TST101", "rising-loss", "warning"],
        ["TST201", "small-loss", "note"],
    ]


@pytest.mark.parametrize(
    "entry", [*RULES, *ENSEMBLE_RULES, *REMEDIES], ids=lambda entry: entry.name()
)
def test_every_rule_and_remedy_has_a_page(
    entry: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", entry.name().upper()]) == 0
    assert capsys.readouterr().out.startswith(f"# {entry.name()}")


def test_an_unknown_name_gets_the_nearest(reluctant: Call) -> None:
    done = reluctant("explain", "risng-loss")
    assert (done.code, done.out) == (2, "")
    assert "did you mean rising-loss?" in done.err


def test_a_page_has_the_code_the_severity_and_the_text(reluctant: Call) -> None:
    done = reluctant("explain", "tst101")
    assert "# rising-loss (TST101)" in done.out
    assert "warning" in done.out
    assert "The last loss is above the first." in done.out
