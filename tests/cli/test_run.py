"""`reluctant run`, up to where the live half takes over: that is played by a double."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from diagnoses import CLEAR, DEAD, SICK
from reluctant.records import Diagnosis, UsageError

Call = Callable[..., Any]


class Result(NamedTuple):
    exit_code: int
    diagnoses: tuple[Diagnosis, ...]
    folder: Path


class Double:
    """Stands for `reluctant.live`: keeps what it was asked, answers as told."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.exit_code = 0
        self.diagnoses: tuple[Diagnosis, ...] = (CLEAR,)
        self.error: Exception | None = None

    def run_script(self, target: str, arguments: list[str], **options: Any) -> Result:
        self.asked = {"target": target, "arguments": arguments, **options}
        if self.error:
            raise self.error
        print("a line of the script")  # noqa: T201
        if options["on_finding"]:
            options["on_finding"](DEAD, "Net")
        return Result(self.exit_code, self.diagnoses, Path("runs/x"))


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Double:
    double, module = Double(), types.ModuleType("reluctant.live")
    module.run_script = double.run_script  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reluctant.live", module)
    return double


def test_what_follows_the_script_is_the_scripts(reluctant: Call, live: Double) -> None:
    reluctant("run", "--name", "a", "train.py", "--name", "b", "--", "-m", "--help")
    assert live.asked["target"] == "train.py"
    assert live.asked["arguments"] == ["--name", "b", "--", "-m", "--help"]
    assert live.asked["name"] == "a"
    assert live.asked["as_module"] is False
    assert live.asked["runs"] == Path("runs")
    assert live.asked["budget"] == 0.01


def test_a_module(reluctant: Call, live: Double) -> None:
    reluctant("run", "--budget", "0.05", "-m", "pkg.train", "--epochs", "3")
    assert live.asked["target"] == "pkg.train"
    assert live.asked["arguments"] == ["--epochs", "3"]
    assert live.asked["as_module"] is True
    assert live.asked["budget"] == 0.05


def test_findings_on_the_way_go_to_stderr_the_report_to_stdout(
    reluctant: Call, live: Double
) -> None:
    done = reluctant("run", "train.py")
    assert done.err.startswith("reluctant: Net: UNT201 dead-output-unit")
    assert "recorded in runs/x" in done.err
    assert done.out.startswith("a line of the script\nAutoencoder")
    assert "dead-output" not in done.out


def test_without_live_lines(reluctant: Call, live: Double) -> None:
    reluctant("run", "--no-live", "train.py")
    assert live.asked["on_finding"] is None


@pytest.mark.parametrize(
    ("exit_code", "diagnoses", "strict", "expected"),
    [
        (0, (SICK,), False, 0),
        (0, (SICK,), True, 1),
        (0, (CLEAR,), True, 0),
        (0, (CLEAR, SICK), True, 1),
        (0, (), True, 0),
        (3, (SICK,), False, 3),
        (3, (SICK,), True, 3),
        (3, (CLEAR,), True, 3),
    ],
)
def test_the_exit_code_is_the_scripts_own(
    reluctant: Call,
    live: Double,
    exit_code: int,
    diagnoses: tuple[Diagnosis, ...],
    strict: bool,
    expected: int,
) -> None:
    live.exit_code, live.diagnoses = exit_code, diagnoses
    done = reluctant("run", *["--strict"] * strict, "train.py")
    assert done.code == expected


def test_a_run_that_cannot_start(reluctant: Call, live: Double) -> None:
    live.error = UsageError("no.py does not exist: give a script.")
    done = reluctant("run", "no.py")
    assert (done.code, done.err) == (2, "error: no.py does not exist: give a script.\n")
