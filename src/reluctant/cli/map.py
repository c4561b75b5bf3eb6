"""`reluctant map RECIPE`."""

import contextlib
import enum
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from reluctant.cli._output import page_for, say
from reluctant.records import SuccessMap, UsageError
from reluctant.report import figures, map_page
from reluctant.report.map_figures import figures_of
from reluctant.report.map_json import map_to_json

if TYPE_CHECKING:
    from reluctant.lab import MapInterrupted

INTERRUPTED = 130  # as a shell reports Ctrl-C
_MOST_PICTURES = 4


class _Form(enum.StrEnum):
    TERMINAL = "terminal"
    JSON = "json"


class _Engine(enum.StrEnum):
    AUTO = "auto"
    FUSED = "fused"
    TORCH = "torch"


_Values = Annotated[str | None, typer.Option(metavar="A,B,...")]


def map_(
    recipe: Annotated[str, typer.Argument(help="file.py:make or package.module:make.")],
    lr: Annotated[
        str,
        typer.Option(metavar="A:B:N", help="N rates from A to B, or a list A,B,..."),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="How many.")] = 8,
    width: _Values = None,
    init_scale: _Values = None,
    activation: _Values = None,
    batch_size: _Values = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of a training.")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Instead of steps; 10 if neither is given.")
    ] = None,
    success: Annotated[
        str,
        typer.Option(metavar="CRITERION", help="gap<0.05, loss<0.1 or score>0.9."),
    ] = "gap<0.05",
    full: Annotated[
        bool, typer.Option("--full", help="Every cell, not only near the boundary.")
    ] = False,
    engine: Annotated[_Engine, typer.Option(help="What trains.")] = _Engine.AUTO,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes or threads; all if left out.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that one training may take.")
    ] = None,
    predict: Annotated[
        bool, typer.Option("--predict/--no-predict", help="Predict the limit, too.")
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="State, JSON, figures. [maps/RECIPE]"
        ),
    ] = None,
    form: Annotated[
        _Form, typer.Option("--format", help="A page, or one JSON document.")
    ] = _Form.TERMINAL,
) -> None:
    """Train a recipe at many learning rates and seeds: where does it fail?

    Trainings that are done are kept in DIR: after Ctrl-C, or a kill, the same command
    goes on. More seeds, other rates or another criterion use what is there.
    """
    from reluctant.lab import MapInterrupted, success_map

    folder = output or Path("maps", _slug(recipe))
    axes: dict[str, Any] = {
        "width": _numbers("--width", width, int),
        "init_scale": _numbers("--init-scale", init_scale, float),
        "activation": activation.split(",") if activation else None,
        "batch_size": _numbers("--batch-size", batch_size, int),
    }
    try:
        # what the recipe prints must not end up in the document
        with _progress() as on_progress, contextlib.redirect_stdout(sys.stderr):
            found = success_map(
                recipe,
                _rates(lr),
                seeds=seeds,
                axes={name: values for name, values in axes.items() if values},
                steps=steps,
                epochs=epochs,
                success=success,
                full=full,
                engine=engine.value,
                workers=workers,
                timeout=timeout,
                folder=folder,
                predict=predict,
                on_progress=on_progress,
                notify=lambda line: say(f"reluctant: {line}\n", sys.stderr),
            )
    except MapInterrupted as interrupted:
        _write_part(interrupted, form, folder)
        raise typer.Exit(INTERRUPTED) from None
    _tell(found, form)
    _write(found, folder)


def _tell(found: SuccessMap, form: _Form) -> None:
    if form is _Form.JSON:
        say(map_to_json(found), sys.stdout)
    else:
        say(map_page.render(found, page=page_for(sys.stdout)), sys.stdout)


def _write(found: SuccessMap, folder: Path) -> None:
    """The record and its figures; a missing browser costs only the pictures."""
    (folder / "map.json").write_text(map_to_json(found), "ascii")
    drawn, written = figures_of(found), ["map.json"]
    try:
        story = [f"Success: {found.meaning}.", *found.notes]
        text = figures.render(f"{found.recipe}: where does it fail?", story, drawn)
        (folder / "map.html").write_text(text, "utf-8")
        written.append("map.html")
        for figure in drawn[:_MOST_PICTURES]:
            figures.write_png(figure, folder / f"{figure.name}.png")
            written.append(f"{figure.name}.png")
    except UsageError as error:
        say(f"reluctant: no more figures: {error}\n", sys.stderr)
    say(f"reluctant: wrote {', '.join(written)} in {folder}\n", sys.stderr)


def _write_part(interrupted: "MapInterrupted", form: _Form, folder: Path) -> None:
    found = interrupted.partial
    _tell(found, form)
    say(
        f"reluctant: interrupted after {found.trainings} trainings, which are kept in "
        f"{folder}: the same command goes on from there.\n",
        sys.stderr,
    )


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """A bar on stderr, gone when done; silent where no one looks."""
    console = Console(file=sys.stderr)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("training", total=None)

        def on_progress(done: int, expected: int, doing: str) -> None:
            bar.update(task, completed=done, total=expected, description=doing)

        yield on_progress


def _rates(text: str) -> list[float]:
    """`A:B:N`, evenly spaced on a log scale; or a list."""
    way_out = "write A:B:N, such as 0.01:0.2:12, or a list A,B,C."
    try:
        if ":" not in text:
            return sorted({float(part) for part in text.split(",")})
        first, last, count = text.split(":")
        low, high, n = float(first), float(last), int(count)
    except ValueError:
        raise UsageError(f"--lr {text} names no learning rates: {way_out}") from None
    if not (0 < low < high < math.inf and n >= 2):
        raise UsageError(f"--lr {text} needs 0 < A < B and N of 2 or more: {way_out}")
    inner = [low * (high / low) ** (i / (n - 1)) for i in range(1, n - 1)]
    return [low, *(float(f"{rate:.4g}") for rate in inner), high]


def _numbers(option: str, text: str | None, kind: type[Any]) -> list[Any] | None:
    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise UsageError(
            f"{option} {text} is no list of {what}: write A,B,C."
        ) from None


def _slug(recipe: str) -> str:
    source, _, name = recipe.rpartition(":")
    return f"{Path(source).stem}-{name}" if source else "map"
