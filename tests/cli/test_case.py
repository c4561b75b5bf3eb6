"""`reluctant case`, up to where the training starts: that is played by a double."""

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reluctant.records import Axis, Figure, Line, Lines, UsageError

Call = Callable[..., Any]
FIGURE = Lines(
    name="curve",
    title="A curve <1>",
    x=Axis(title="step"),
    y=Axis(title="loss"),
    lines=(Line(name="a", x=(0, 1), y=(1, 0)),),
)


class Result(msgspec.Struct):
    name: str
    story: tuple[str, ...]
    numbers: dict[str, Any]
    figures: tuple[Figure, ...]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    def run_case(
        name: str, *, progress: Callable[[str], None], **options: Any
    ) -> Result:
        if name != "a-case":
            raise UsageError(f"no case {name!r}; did you mean a-case?")
        asked.update(options)
        progress("training")
        return Result(name, ("It fails.", "word " * 30), {"limit": 2.0}, (FIGURE,))

    module = types.ModuleType("reluctant.cases")
    module.CASES = {"a-case": "what it is"}  # type: ignore[attr-defined]
    module.run_case = run_case  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reluctant.cases", module)
    return asked


def test_the_story_goes_to_stdout_progress_to_stderr(
    reluctant: Call, asked: dict[str, Any]
) -> None:
    done = reluctant("case", "a-case")
    assert done.code == 0
    assert done.out.startswith("a-case: what it is\n\nIt fails.\n\nword word")
    assert all(len(line) <= 100 for line in done.out.splitlines())
    assert done.err == "training\n"
    assert asked == {"data": None, "quick": False, "seed": 0, "treat": False}


def test_options_are_passed_on(
    reluctant: Call, asked: dict[str, Any], tmp_path: Path
) -> None:
    reluctant("case", "a-case", "--quick", "--seed", 3, "--data", tmp_path)
    assert asked == {"data": tmp_path, "quick": True, "seed": 3, "treat": False}


def test_numbers_as_json(reluctant: Call, asked: dict[str, Any]) -> None:
    assert json.loads(reluctant("case", "a-case", "--format", "json").out) == {
        "limit": 2.0
    }


def test_a_page_loads_nothing_from_elsewhere(
    reluctant: Call, asked: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("plotly")
    reluctant("case", "a-case", "-o", tmp_path / "new" / "folder")
    page = (tmp_path / "new/folder/a-case.html").read_text("utf-8")
    assert "It fails." in page
    assert "<script src" not in page
    assert "<link" not in page
    numbers = (tmp_path / "new/folder/a-case.json").read_text("utf-8")
    assert json.loads(numbers) == {"limit": 2.0}


def test_misuse(reluctant: Call, asked: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments in (
        ["case", "a-cas"],
        ["case", "a-case", "--seed", "-1"],
        ["case", "a-case", "-o", tmp_path / "file"],
        ["case", "a-case", "--format", "concise"],
    ):
        done = reluctant(*arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), arguments
