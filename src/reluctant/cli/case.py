"""`reluctant case NAME`."""

import enum
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from reluctant.cli._output import page_for, say
from reluctant.report import story


class _Form(enum.StrEnum):
    TERMINAL = "terminal"
    JSON = "json"


def case(
    name: Annotated[str, typer.Argument(help="Such as dying-output.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The real data, else $RELUCTANT_DATA."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer and shorter trainings.")
    ] = False,
    form: Annotated[
        _Form, typer.Option("--format", help="A story, or its numbers.")
    ] = _Form.TERMINAL,
    treat: Annotated[
        bool, typer.Option("--treat", help="Find what helps by trials, and prove it.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Write NAME.html and NAME.json here."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first of the seeds.")] = 0,
) -> None:
    """Run a real training that failed, see it fail, and say why.

    Progress goes to stderr. Without real data a case says what it takes instead.
    """
    from reluctant.cases import CASES, run_case

    if output:
        output.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    result = run_case(
        name,
        data=data,
        quick=quick,
        seed=seed,
        treat=treat,
        progress=lambda line: say(f"{line}\n", sys.stderr),
    )
    numbers = json.dumps(result.numbers, indent=2) + "\n"
    if form is _Form.JSON:
        say(numbers, sys.stdout)
    else:
        page = page_for(sys.stdout)
        say(story.render(name, CASES[name], result.story, page=page), sys.stdout)
    if output:
        from reluctant.report import figures

        page_file, numbers_file = output / f"{name}.html", output / f"{name}.json"
        numbers_file.write_text(numbers, "utf-8")
        page_file.write_text(
            figures.render(name, result.story, result.figures), "utf-8"
        )
        say(f"reluctant: wrote {page_file} and {numbers_file}\n", sys.stderr)
