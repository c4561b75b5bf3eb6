import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reluctant.cli._output import Form
from reluctant.records import Trace
from reluctant.records._frames import NAME
from reluctant.report import FORMATS

Call = Callable[..., Any]
Record = Callable[..., Path]


def test_the_formats_are_those_of_the_report() -> None:
    assert [form.value for form in Form] == list(FORMATS)


def test_clear_exits_with_0(reluctant: Call, record: Record) -> None:
    done = reluctant("diagnose", record(3, 2))
    assert done.code == 0
    assert "CLEAR" in done.out
    assert done.err == ""


def test_findings_exit_with_1_and_go_to_stdout(reluctant: Call, record: Record) -> None:
    done = reluctant("diagnose", record(2, 3))
    assert done.code == 1
    assert "rising-loss (TST101)" in done.out
    assert done.err == ""


def test_a_note_is_no_reason_to_fail(reluctant: Call, record: Record) -> None:
    done = reluctant("diagnose", record(2, 0.5))
    assert done.code == 0
    assert "TST201" in done.out


def test_exit_zero(reluctant: Call, record: Record) -> None:
    assert reluctant("diagnose", record(2, 3), "--exit-zero").code == 0


def test_nothing_judged_is_not_clear(reluctant: Call, record: Record) -> None:
    done = reluctant("diagnose", record(2, 3), "--select", "OTH")
    assert done.code == 2
    assert "BLIND" in done.out
    assert "no rule could judge" in done.err


def test_a_record_without_steps_is_not_clear(reluctant: Call, record: Record) -> None:
    assert reluctant("diagnose", record()).code == 2


def test_until(reluctant: Call, record: Record) -> None:
    path = record(2, 1.5, 3)
    assert reluctant("diagnose", path, "--until", 1).code == 0
    assert reluctant("diagnose", path, "--until", 2).code == 1


def test_a_folder_may_hold_several_trainings(reluctant: Call, record: Record) -> None:
    record(3, 2, file="run/good.trace")
    folder = record(2, 3, file="run/bad.trace").parent
    done = reluctant("diagnose", folder, "--format", "json")
    document = json.loads(done.out)
    assert done.code == 1
    assert document["training"] == "bad"
    assert [d["training"] for d in document["trainings"]] == ["bad", "good"]


def test_concise(reluctant: Call, record: Record) -> None:
    first, last = reluctant("diagnose", record(2, 3), "--format", "concise").out.split(
        "\n", 1
    )
    assert first.startswith("Net: TST101 rising-loss [warning, high confidence]")
    assert last == "Net: 1 rule clear, 1 found, 1 blind\n"


def test_verbose_shows_the_evidence(reluctant: Call, record: Record) -> None:
    path = record(2, 3)
    assert "limit 2" not in reluctant("diagnose", path).out
    assert "loss, step 1: 3, limit 2" in reluctant("diagnose", path, "-v").out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--select", "TST101"], True),
        (["--select", "tst"], True),
        (["--select", "rising-loss"], True),
        (["--select", "TST201, TST101"], True),
        (["--select", "TST201", "--select", "TST1"], True),
        (["--select", "TST2"], False),
        (["--ignore", "rising-loss"], False),
        (["--select", "TST", "--ignore", "TST1"], False),
    ],
)
def test_select_and_ignore(
    reluctant: Call, record: Record, options: list[str], found: bool
) -> None:
    done = reluctant("diagnose", record(2, 3), "--format", "concise", *options)
    assert ("TST101" in done.out) is found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--select", "TST102"], "no rule 'TST102'; did you mean TST"),
        (["--ignore", "raising-loss"], "did you mean rising-loss?"),
        (["--ignore", "TST,OTH"], "leaves no rule"),
        (["--format", "xml"], "'terminal', 'concise', 'json'"),
        (["--until", "-1"], "--until"),
        (["--untill", "1"], "`reluctant diagnose --help` shows"),
    ],
)
def test_misuse(
    reluctant: Call, record: Record, options: list[str], message: str
) -> None:
    done = reluctant("diagnose", record(2, 3), *options)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert done.err.count("\n") == 1


def test_paths_that_are_no_run(reluctant: Call, record: Record, tmp_path: Path) -> None:
    record(1, file="runs/first/Net.trace")
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign.trace").write_bytes(b"PK\x03\x04" * 20)
    (tmp_path / "later.trace").write_bytes(NAME + struct.pack("<I", 7) + b"x" * 40)
    for given, message in {
        "frist": "does not exist",
        "runs/frist": "did you mean",
        "empty": "holds no .trace file",
        "runs": "but 1 run: give one of them, the latest is",
        "foreign.trace": "is not a recorded run",
        "later.trace": "version 7",
    }.items():
        done = reluctant("diagnose", tmp_path / given)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), given
        assert message in done.err, given
        assert "Traceback" not in done.err


def test_a_torn_record_is_judged_and_says_so(reluctant: Call, record: Record) -> None:
    path = record(2, 3, 4)
    path.write_bytes(path.read_bytes()[:-3])
    done = reluctant("diagnose", path)
    assert done.code == 1
    assert "the last frame is torn" in done.out


def test_a_fault_of_ours_is_told_in_one_line(
    reluctant: Call, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> Trace:
        raise ZeroDivisionError("oh")

    path = record(1)
    monkeypatch.setattr(Trace, "open", broken)
    done = reluctant("diagnose", path)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "reluctant itself failed with ZeroDivisionError" in done.err
