"""`reluctant diagnose RUN`."""

import sys
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
from reluctant.cli._runs import open_run
from reluctant.cli._selection import select_rules
from reluctant.diagnosis import diagnose as judge

_Codes = Annotated[
    list[str] | None,
    typer.Option(metavar="CODES", help="Codes, beginnings of codes, or rule names."),
]


def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder or .trace.")],
    form: FormOption = Form.TERMINAL,
    select: _Codes = None,
    ignore: _Codes = None,
    until: Annotated[
        int | None, typer.Option(min=0, metavar="STEP", help="Look no further.")
    ] = None,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 whatever was found.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Judge a recorded run. Needs no torch.

    Exits with 0 if clear, 1 if something was found, 2 if nothing could be judged.
    """
    rules = select_rules(select or [], ignore or [])
    traces = open_run(run)
    if until is not None:
        traces = [trace.until(until) for trace in traces]
    diagnoses = [judge(trace, rules) for trace in traces]
    tell(diagnoses, form, sys.stdout, verbose=verbose)
    code = verdict(diagnoses)
    if code == FAILED:
        say("error: no rule could judge this run: see `blind`.\n", sys.stderr)
    raise typer.Exit(CLEAR if exit_zero else code)
