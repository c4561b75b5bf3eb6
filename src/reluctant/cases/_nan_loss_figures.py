"""What `nan-loss` looks like."""

from typing import Any

import numpy as np

from reluctant.cases._nan_loss_steps import Array, Course
from reluctant.records import Axis, Figure, Line, Lines, Mark


def draw(
    courses: dict[float, Course],
    measured: dict[float, Course],
    rivals: dict[str, Course],
    least: float,
    quadratics: list[dict[str, Any]],
) -> tuple[Figure, ...]:
    """All figures of the case."""
    return (
        _losses(courses, least),
        _changes(measured),
        _limits(measured),
        *(_quadratic(name, quadratics) for name in ("flat", "steep")),
        _rivals(rivals, least),
    )


def _losses(courses: dict[float, Course], least: float) -> Figure:
    lines = [
        _line(f"learning rate {rate:g}", course.loss, color=i, markers=i == 0)
        for i, (rate, course) in enumerate(courses.items())
    ]
    return Lines(
        name="loss",
        title="One order of magnitude: from thousands past trillions to nan, or down",
        x=Axis(title="step", low=0, high=60, whole=True),
        y=Axis(title="mean squared error", scale="log"),
        lines=tuple(lines),
        marks=(Mark(at=least, text="least possible"),),
        caption="A line ends where the loss is no finite float32 any more.",
    )


def _changes(measured: dict[float, Course]) -> Figure:
    lines = []
    for i, (rate, course) in enumerate(measured.items()):
        verb = "rises" if course.real[0] > 0 else "falls"
        lines += [
            _line(
                f"real change at {rate:g} (loss {verb})",
                np.abs(course.real),
                color=i,
                lines=False,
                markers=True,
            ),
            _line(
                f"predicted at {rate:g}: ½ε²gᵀHg − εgᵀg",
                np.abs(course.predicted),
                color=i,
                style="dashed" if i else "solid",
            ),
        ]
    return Lines(
        name="predicted-change",
        title="What a step does to the loss, predicted and real",
        x=Axis(title="step", low=-0.5, high=30, whole=True),
        y=Axis(title="size of the change of the loss by the step", scale="log"),
        lines=tuple(lines),
        caption="Points: the loss after the step less the loss before it. Lines: the "
        "two terms, measured before the step is taken.",
    )


def _limits(measured: dict[float, Course]) -> Figure:
    styles = ("solid", "dashed")
    lines = [
        _line(
            f"limit of the step while training at {rate:g}",
            course.limits,
            color=i,
            style="dashed" if styles[i % 2] == "dashed" else "solid",
            markers=True,
        )
        for i, (rate, course) in enumerate(measured.items())
    ]
    marks = [Mark(at=rate, text=f"rate {rate:g}", style="dotted") for rate in measured]
    return Lines(
        name="limit",
        title="Past its limit a step goes uphill: 0.001 is above, 0.0001 below",
        x=Axis(title="step", low=-0.5, high=30, whole=True),
        y=Axis(title="largest rate that goes down, 2·gᵀg / gᵀHg", scale="log"),
        lines=tuple(lines),
        marks=tuple(marks),
        caption="Below its limit training turns to flatter directions, and the limit "
        "rises. Above it each step enlarges the steepest part, and the limit stays.",
    )


def _quadratic(name: str, quadratics: list[dict[str, Any]]) -> Figure:
    here = [q for q in quadratics if q["name"] == name]
    curvature = here[0]["curvature"]
    paths = [np.array(q["path"]) for q in here]
    if name == "steep":
        paths = [path[:5] for path in paths]  # later points leave the picture
    end = 1.15 * max(float(np.abs(path).max()) for path in paths)
    xs = np.linspace(-end, end, 121)
    lines = [
        Line(
            name=f"½·{curvature:g}·x²",
            x=tuple(map(float, xs)),
            y=tuple(float(v) for v in curvature * xs**2 / 2),
            style="dotted",
            color=5,
        )
    ]
    for i, (q, path) in enumerate(zip(here, paths, strict=True)):
        lines.append(
            Line(
                name=f"{len(path) - 1} steps at {q['rate']:g}",
                x=tuple(map(float, path)),
                y=tuple(float(v) for v in curvature * path**2 / 2),
                style="dashed" if i else "solid",
                color=1 - i,
                markers=True,
            )
        )
    climbs = max(q["rate"] for q in here) > here[0]["limit"]
    return Lines(
        name=f"quadratic-{name}",
        title=f"Curvature {curvature:g}, limit {here[0]['limit']:g}: "
        + ("0.01 descends, 0.12 climbs" if climbs else "both rates descend"),
        x=Axis(title="x"),
        y=Axis(title="f(x)"),
        lines=tuple(lines),
        caption="Gradient descent from x = 1; each step multiplies x by 1 − rate · "
        "curvature.",
    )


def _rivals(rivals: dict[str, Course], least: float) -> Figure:
    styles = ("solid", "dashed", "dotted")
    lines = []
    for i, (name, course) in enumerate(rivals.items()):
        steps = _spaced(len(course.loss))
        lines.append(
            Line(
                name=name,
                x=tuple(float(s + 1) for s in steps),
                y=tuple(float(course.loss[s]) for s in steps),
                style="dashed" if styles[i % 3] == "dashed" else "solid",
                color=i,
            )
        )
    return Lines(
        name="rivals",
        title="Adam does not break, but is slow; inputs of one scale learn at once",
        x=Axis(title="step + 1", scale="log"),
        y=Axis(title="mean squared error", scale="log"),
        lines=tuple(lines),
        marks=(Mark(at=least, text="least possible"),),
        caption="All from the same initial weights. Standardized: each feature at mean "
        "0 and deviation 1.",
    )


def _line(name: str, values: Array, **look: Any) -> Line:
    keep = np.isfinite(values)
    return Line(
        name=name,
        x=tuple(map(float, np.flatnonzero(keep))),
        y=tuple(map(float, values[keep])),
        **look,
    )


def _spaced(count: int) -> list[int]:
    """Positions that are even on a log axis."""
    steps = np.unique(np.geomspace(1, count, 160).astype(int)) - 1
    return [int(s) for s in steps]
