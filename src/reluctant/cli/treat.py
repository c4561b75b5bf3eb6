"""`reluctant treat RECIPE`."""

import contextlib
import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reluctant.cli._output import CLEAR, FOUND, page_for, say
from reluctant.records import UsageError
from reluctant.report import treatment_page
from reluctant.report.treatment_json import treatment_to_json

if TYPE_CHECKING:
    from reluctant.lab import Treatment


class _Form(enum.StrEnum):
    TERMINAL = "terminal"
    JSON = "json"


def treat(
    recipe: Annotated[str, typer.Argument(help="file.py:make or package.module:make.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of a training; ten epochs if left out.")
    ] = None,
    after: Annotated[
        int, typer.Option(min=0, help="Steps before the treatment begins.")
    ] = 0,
    seeds: Annotated[
        int, typer.Option(min=1, help="Pairs that confirm the winner.")
    ] = 16,
    success: Annotated[
        str,
        typer.Option(metavar="CRITERION", help="gap<0.05, loss<0.1 or score>0.9."),
    ] = "gap<0.05",
    budget: Annotated[
        float, typer.Option(min=0.0, help="Seconds, about; 0 for as long as it takes.")
    ] = 600.0,
    most_steps: Annotated[
        float | None, typer.Option(help="Optimizer steps in all.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes or threads; all if left out.")
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a recipe that makes the winner's changes."
        ),
    ] = None,
    form: Annotated[
        _Form, typer.Option("--format", help="A page, or one JSON document.")
    ] = _Form.TERMINAL,
) -> None:
    """Find out what helps: diagnose, try on paired copies, confirm on fresh seeds.

    Every trial has an untreated and a restarted arm beside the remedies. Exit codes: 0
    where something helps, or nothing is to be treated; 1 where nothing helps beyond
    chance.
    """
    from reluctant.lab import treat_recipe

    if apply is not None and apply.exists():
        raise UsageError(f"{apply} is there already: name another file for --apply.")
    # what the recipe prints must not end up in the document
    with contextlib.redirect_stdout(sys.stderr):
        treatment = treat_recipe(
            recipe,
            steps=steps,
            after=after,
            seeds=seeds,
            success=success,
            seconds=budget or None,
            most_steps=most_steps,
            workers=workers,
            notify=lambda line: say(f"reluctant: {line}\n", sys.stderr),
        )
    found = treatment.record
    if form is _Form.JSON:
        say(treatment_to_json(found), sys.stdout)
    else:
        say(treatment_page.render(found, page=page_for(sys.stdout)), sys.stdout)
    if apply is not None:
        _write(treatment, recipe, apply)
    ill = not found.winner and not found.verdict.startswith("nothing to treat")
    raise typer.Exit(FOUND if ill else CLEAR)


def _write(treatment: "Treatment", recipe: str, path: Path) -> None:
    from reluctant.lab import treated_source

    if not treatment.record.winner:
        say(f"reluctant: nothing to apply, {path} is not written\n", sys.stderr)
        return
    path.write_text(treated_source(treatment.record, recipe, path), "utf-8")
    say(f"reluctant: wrote {path}:make\n", sys.stderr)
