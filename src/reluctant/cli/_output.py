"""What all commands share: formats, the page, exit codes."""

import enum
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, TextIO, TypeAlias

import typer

from reluctant.records import Diagnosis, Severity
from reluctant.report import FORMATS, Page

CLEAR, FOUND, FAILED = 0, 1, 2
_WIDEST = 100  # columns; longer lines are hard to read


class Form(enum.StrEnum):
    """Name of a format; the same names as in `FORMATS`."""

    TERMINAL = "terminal"
    CONCISE = "concise"
    JSON = "json"


FormOption: TypeAlias = Annotated[
    Form, typer.Option("--format", help="How to write the diagnosis.")
]
VerboseOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also the evidence, and why a rule could not judge."
    ),
]


def page_for(stream: TextIO, *, verbose: bool = False) -> Page:
    """As wide as the terminal; colored only where a person looks at it."""
    is_seen = stream.isatty() and os.environ.get("TERM") != "dumb"
    return Page(
        width=min(shutil.get_terminal_size((80, 24)).columns, _WIDEST),
        color=is_seen and not os.environ.get("NO_COLOR"),
        verbose=verbose,
    )


def tell(
    diagnoses: Sequence[Diagnosis], form: Form, stream: TextIO, *, verbose: bool
) -> None:
    """Write the diagnoses in one of the formats."""
    page = page_for(stream, verbose=verbose)
    say(FORMATS[form.value](diagnoses, page=page), stream)


def say(text: str, stream: TextIO) -> None:
    """Write text; what the stream's encoding lacks is replaced.

    A reader who has gone (`reluctant … | head -1`) does not change the exit code.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except ValueError:  # the stream is closed
        if stream is not sys.stderr:
            say(text, sys.stderr)


def verdict(diagnoses: Iterable[Diagnosis]) -> int:
    """The exit code: silence is not health, so that nothing judged is a failure."""
    diagnoses = list(diagnoses)
    if any(f.severity is not Severity.NOTE for d in diagnoses for f in d.findings):
        return FOUND
    if any(d.ruled_out or d.findings for d in diagnoses):
        return CLEAR
    return FAILED
