"""`reluctant claims`."""

import enum
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from reluctant.cli._output import say
from reluctant.records import ClaimResult, UsageError
from reluctant.report import claims_page, figures


class _Form(enum.StrEnum):
    TERMINAL = "terminal"
    JSON = "json"


def claims(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which; all if left out.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer and shorter trainings.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="MNIST, for the claims on dying outputs."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE.md", help="A page; figures in FILE/."
        ),
    ] = None,
    form: Annotated[
        _Form, typer.Option("--format", help="A line a claim, or all numbers.")
    ] = _Form.TERMINAL,
    seed: Annotated[int, typer.Option(min=0, help="The first of the seeds.")] = 0,
) -> None:
    """Test the advice that people are given, by paired trials.

    Minutes with --quick, else up to an hour on two cores. Progress goes to stderr.
    """
    from reluctant.cases.claims import run_claims

    if output and output.suffix != ".md":
        raise UsageError(f"-o {output} is no Markdown page: name it FILE.md.")
    began, results = time.monotonic(), []
    for result in run_claims(
        names or [],
        quick=quick,
        data=data,
        seed=seed,
        progress=lambda line: say(f"{line}\n", sys.stderr),
    ):
        results.append(result)
        if form is _Form.TERMINAL:
            say(f"{claims_page.in_one_line(result)}\n", sys.stdout)
        if output:  # what is done is kept, whatever happens to the rest
            minutes = (time.monotonic() - began) / 60
            _write(output, results, quick=quick, seed=seed, minutes=minutes)
    if form is _Form.JSON:
        document = [{**msgspec.to_builtins(r), "verdict": r.verdict} for r in results]
        say(json.dumps(document, indent=2) + "\n", sys.stdout)
    if output:
        say(f"reluctant: wrote {output}\n", sys.stderr)


def _write(
    page: Path, results: list[ClaimResult], *, quick: bool, seed: int, minutes: float
) -> None:
    """The page as it stands, and the last claim's figure."""
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = folder.name
    try:
        figure = results[-1].figure
        figures.write_png(figure, folder / f"{figure.name}.png")
    except UsageError as error:
        pictures = ""
        say(f"reluctant: no figures: {error}\n", sys.stderr)
    flag = " --quick" if quick else ""
    head = (
        f"Written by `reluctant claims{flag}`, seed {seed}, in {minutes:.0f} minutes."
    )
    text = claims_page.render(results, head=head, pictures=pictures)
    page.write_text(text, "utf-8")
