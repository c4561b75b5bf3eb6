"""What is printed, as files: `pytest --golden` rewrites them, read the diff."""

from pathlib import Path

import pytest

from diagnoses import CASES
from reluctant.report import FORMATS, Page

GOLDEN = Path(__file__).parent / "golden"
PAGES = {"": Page(), ".verbose": Page(verbose=True), ".color": Page(color=True)}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("form", "page"),
    [
        *((form, "") for form in FORMATS),
        ("terminal", ".verbose"),
        ("terminal", ".color"),
    ],
)
def test_prints_what_it_printed(
    form: str, page: str, case: str, request: pytest.FixtureRequest
) -> None:
    printed = FORMATS[form](CASES[case], page=PAGES[page])
    file = GOLDEN / f"{case}{page}.{form}.txt"
    if request.config.getoption("--golden"):
        file.write_text(printed, "utf-8")
    assert printed == file.read_text("utf-8")


def test_no_golden_file_is_left_over() -> None:
    stems = {f"{case}{page}" for case in CASES for page in PAGES}
    assert {
        f.name.removesuffix(".txt").rpartition(".")[0] for f in GOLDEN.iterdir()
    } <= stems
