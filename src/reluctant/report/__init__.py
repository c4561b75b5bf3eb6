"""Records in, text out: each format is one file with one pure `render`."""

from collections.abc import Sequence
from typing import Protocol

from reluctant.records import Diagnosis
from reluctant.report import concise, json, terminal
from reluctant.report._manual import manual_page, one_line
from reluctant.report._page import PLAIN, Page

__all__ = ["FORMATS", "PLAIN", "Format", "Page", "manual_page", "one_line"]


class Format(Protocol):
    """A way to write down what was diagnosed."""

    def __call__(self, diagnoses: Sequence[Diagnosis], *, page: Page = PLAIN) -> str:
        """Render one diagnosis for each training."""
        ...


FORMATS: dict[str, Format] = {
    "terminal": terminal.render,
    "concise": concise.render,
    "json": json.render,
}
