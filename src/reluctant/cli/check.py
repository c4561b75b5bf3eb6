"""`reluctant check RECIPE`."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from reluctant.cli._output import (
    CLEAR,
    FAILED,
    Form,
    FormOption,
    VerboseOption,
    say,
    tell,
    verdict,
)
from reluctant.cli._selection import select_rules

_Codes = Annotated[
    list[str] | None,
    typer.Option(metavar="CODES", help="Codes, beginnings of codes, or rule names."),
]


def check(
    recipe: Annotated[str, typer.Argument(help="file.py:make or package.module:make.")],
    budget: Annotated[
        float, typer.Option(metavar="SECONDS", help="What the exams may take.")
    ] = 10.0,
    census: Annotated[
        bool, typer.Option("--census", help="Count units over all data, however long.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Given to the recipe.")] = 0,
    form: FormOption = Form.TERMINAL,
    as_json: Annotated[
        bool, typer.Option("--json", help="The same as --format json.")
    ] = False,
    select: _Codes = None,
    ignore: _Codes = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Keep the measurements as a .trace."),
    ] = None,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 whatever was found.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Look a training over before it begins, in seconds, on copies.

    Data, initial state, head and loss, independence of samples, step size, and whether
    a few samples can be learnt by heart. RECIPE is a function make(seed) that returns a
    reluctant.Training. Exits with 0 if clear, 1 if something was found, 2 if nothing
    could be judged.
    """
    from reluctant.lab import build, check_training, load_recipe

    rules = select_rules(select or [], ignore or [])
    # what the recipe prints must not end up in the document
    with contextlib.redirect_stdout(sys.stderr), _status() as on_exam:
        training = build(load_recipe(recipe), seed)
        diagnosis = check_training(
            training,
            budget=budget,
            census=census,
            record=record,
            rules=rules,
            on_exam=on_exam,
        )
    tell([diagnosis], Form.JSON if as_json else form, sys.stdout, verbose=verbose)
    code = verdict([diagnosis])
    if code == FAILED:
        say("error: no rule could judge this training: see `blind`.\n", sys.stderr)
    raise typer.Exit(CLEAR if exit_zero else code)


@contextlib.contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Says which exam is under way, where a person looks on."""
    is_seen = sys.stderr.isatty()

    def on_exam(name: str) -> None:
        if is_seen:
            say(f"\r\x1b[Kchecking: {name}", sys.stderr)

    try:
        yield on_exam
    finally:
        if is_seen:
            say("\r\x1b[K", sys.stderr)
