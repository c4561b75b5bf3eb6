"""`reluctant run SCRIPT`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reluctant.cli._output import (
    FOUND,
    Form,
    FormOption,
    VerboseOption,
    say,
    tell,
    verdict,
)
from reluctant.records import Finding
from reluctant.report.concise import line


def run(
    target: Annotated[str, typer.Argument(metavar="SCRIPT", help="Python file.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="The script's own.")
    ] = None,
    as_module: Annotated[
        bool, typer.Option("-m", help="SCRIPT is a module, as in `python -m`.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Of the run; made from the script if left out.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder for recorded runs.")] = Path(
        "runs"
    ),
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if something was found.")
    ] = False,
    form: FormOption = Form.TERMINAL,
    live: Annotated[
        bool, typer.Option("--live/--no-live", help="Tell findings as they are made.")
    ] = True,
    budget: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of step time that watching may take."
        ),
    ] = 0.01,
    census: Annotated[
        bool,
        typer.Option("--census", help="Count units over all data when it has ended."),
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Run a PyTorch script, watch it train, and say what is wrong.

    The script is not changed: not one line, not one random number. Options go before
    SCRIPT, what follows is the script's. What the script prints stays as it is; the
    findings made on the way go to stderr, one line each, and the diagnosis to stdout
    after the script has ended. The exit code is the script's own, unless --strict is
    given, the script ended well and something was found: then 1.
    """
    from reluctant.live import run_script

    out = sys.stdout  # the script may put another in its place
    result = run_script(
        target,
        arguments or [],
        as_module=as_module,
        name=name,
        runs=runs,
        budget=budget,
        on_finding=_live(sys.stderr.isatty()) if live else None,
        census=census,
    )
    tell(result.diagnoses, form, out, verbose=verbose)
    if result.diagnoses:
        say(f"reluctant: recorded in {result.folder}\n", sys.stderr)
    found = strict and verdict(result.diagnoses) == FOUND
    raise typer.Exit(result.exit_code or (FOUND if found else 0))


def _live(is_seen: bool) -> Callable[[Finding, str], None]:
    """Says each finding once, as soon as it is certain, on a line of its own."""
    mark = "\r\x1b[K" if is_seen else ""  # the script may be drawing a progress bar

    def on_finding(finding: Finding, training: str) -> None:
        say(f"{mark}reluctant: {line(finding, training)}\n", sys.stderr)

    return on_finding
