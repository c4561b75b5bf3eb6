"""`reluctant map RECIPE`.

Longer than most files: the command, and the page that only this command writes.
"""

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
from rich.text import Text

from reluctant.cli._output import page_for, say
from reluctant.records import MapSlice, SuccessMap, Threshold, UsageError
from reluctant.report import PLAIN, Page, figures
from reluctant.report._page import printable
from reluctant.report._paper import Paper

if TYPE_CHECKING:
    from reluctant.lab import MapInterrupted

INTERRUPTED = 130  # as a shell reports Ctrl-C
_LETTERS = {
    "trained": "#",
    "slow": "s",
    "stuck": "k",
    "dead": "x",
    "diverged": "^",
    "raised": "!",
    "hung": "?",
}
_NOT_TRAINED = "\N{MIDDLE DOT}"
_TABLE = 60  # columns before those of the seeds
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


def render(found: SuccessMap, *, page: Page = PLAIN) -> str:
    """The map as a page for a person at a terminal."""
    paper = Paper(page)
    paper.put(Text.assemble((printable(found.recipe), "bold"), ": where does it fail?"))
    state = "" if found.is_complete else ", broken off"
    way = "full grid" if found.is_full else "adaptive"
    paper.put(
        f"{found.trainings} trainings of a grid of {found.grid} ({way}{state}), "
        f"{found.engine} engine"
    )
    paper.put(f"success ({found.criterion}): {printable(found.meaning)}")
    if len(found.slices) > 1:
        _put_settings(paper, found)
    for part in found.slices:
        if part.runs:
            _put_slice(paper, found, part, max(8, page.width - _TABLE))
    used = {run.outcome for part in found.slices for run in part.runs}
    if used:
        paper.gap()
        legend = [f"{_LETTERS[o]} {o}" for o in _LETTERS if o in used]
        paper.put(", ".join([*legend, f"{_NOT_TRAINED} not trained"]))
    for note in found.notes:
        paper.gap()
        paper.put(f"note: {printable(note)}")
    return str(paper)


def _put_settings(paper: Paper, found: SuccessMap) -> None:
    """One row a setting: where half of the seeds stop to train."""
    paper.gap()
    names = [_setting(part) for part in found.slices]
    wide = max(map(len, names))
    paper.put(Text(f"{'':{wide}}  threshold  interval           predicted", "bold"), 2)
    for name, part in zip(names, found.slices, strict=True):
        t = part.threshold
        row = f"{name:{wide}}  {_number(t.median):9}  {_interval(t):17}"
        paper.put(f"{row}  {_number(t.predicted)}", 2)


def _put_slice(paper: Paper, found: SuccessMap, part: MapSlice, room: int) -> None:
    paper.title(_setting(part) or "by learning rate")
    shown = found.seeds[:room]
    more = f" (first {len(shown)})" if len(shown) < len(found.seeds) else ""
    head = f"{'rate':9} success  95 % interval    n  for one  for 99 %  seeds{more}"
    paper.put(Text(head, "bold"), 2)
    outcomes = {(run.rate, run.seed): run.outcome for run in part.runs}
    limit = part.threshold
    marks = [(limit.median, "threshold"), (limit.predicted, "predicted limit")]
    marks = sorted((at, text) for at, text in marks if math.isfinite(at))
    for cell in part.cells:
        while marks and marks[0][0] < cell.rate:
            at, text = marks.pop(0)
            paper.put(Text(f"{at:<9.3g} {'-' * 8} {text}", "cyan"), 2)
        seeds = "".join(
            _LETTERS.get(outcomes.get((cell.rate, seed), ""), _NOT_TRAINED)
            for seed in shown
        )
        interval = f"{cell.low:4.0%} to {cell.high:4.0%}"
        paper.put(
            f"{cell.rate:<9.4g} {cell.probability:7.0%}  {interval:13}  {cell.n:3}  "
            f"{_count(cell.expected_trainings):>7}  "
            f"{_count(cell.trainings_for_99):>8}  {seeds}",
            2,
        )
    for at, text in marks:
        paper.put(Text(f"{at:<9.3g} {'-' * 8} {text}", "cyan"), 2)
    for line in _verdicts(part):
        paper.put(line, 2)


def _verdicts(part: MapSlice) -> Iterator[str]:
    """What follows from the table, in sentences."""
    t = part.threshold
    sure = f"{t.coverage:.0%} interval" if t.coverage > 0 else "bracket"
    never = sum(seed.low == 0 for seed in t.by_seed)
    if never:
        yield f"{never} of {len(t.by_seed)} seeds succeeded at no rate"
    if t.by_seed and 2 * never < len(t.by_seed):
        value = _number(t.median)
        if math.isnan(t.median):
            value = "not between the rates tried"
        yield (
            f"threshold, the median over seeds of the largest rate that trains: "
            f"{value} ({sure} {_interval(t)}; {t.method})"
        )
    if math.isfinite(t.predicted):
        apart = ""
        if math.isfinite(t.median):
            apart = f", {t.predicted / t.median - 1:+.0%} of the threshold"
        ends = f"{t.predicted_low:.3g} to {t.predicted_high:.3g}"
        yield f"predicted from the gauge at lower rates: {t.predicted:.3g} ({ends})" + (
            apart
        )
    elif t.predicted_note not in ("", "not asked for"):
        yield f"no limit predicted: {printable(t.predicted_note)}"
    odd = [str(seed.seed) for seed in t.by_seed if not seed.is_monotone]
    if odd:
        names = ", ".join(odd[:8]) + (", ..." if len(odd) > 8 else "")
        yield (
            f"{len(odd)} of {len(t.by_seed)} seeds are not monotone, a lower rate "
            f"failed where a higher one succeeded: {names}"
        )
    reasons: dict[str, int] = {}
    for run in part.runs:
        if run.reason:
            reasons[run.reason] = reasons.get(run.reason, 0) + 1
    for reason, count in list(reasons.items())[:3]:
        yield f"{count} failed with: {printable(reason)}"


def _setting(part: MapSlice) -> str:
    return printable(
        ", ".join(f"{n.replace('_', ' ')} {v}" for n, v in part.setting.items())
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _count(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _interval(threshold: Threshold) -> str:
    if threshold.low <= 0:
        return f"below {_number(threshold.high)}"
    if math.isinf(threshold.high):
        return f"above {_number(threshold.low)}"
    return f"{threshold.low:.3g} to {threshold.high:.3g}"


def _tell(found: SuccessMap, form: _Form) -> None:
    from reluctant.lab._map_json import map_to_json

    if form is _Form.JSON:
        say(map_to_json(found), sys.stdout)
    else:
        say(render(found, page=page_for(sys.stdout)), sys.stdout)


def _write(found: SuccessMap, folder: Path) -> None:
    """The record and its figures; a missing browser costs only the pictures."""
    from reluctant.lab._map_figures import figures_of
    from reluctant.lab._map_json import map_to_json

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
