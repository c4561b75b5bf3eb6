"""What `dying-output` looks like."""

from itertools import pairwise
from typing import Any

import numpy as np

from reluctant.cases._data import Digits
from reluctant.cases._dying_output_arms import draw_arms
from reluctant.cases._dying_output_map import draw_map
from reluctant.cases._dying_output_weights import draw_weights
from reluctant.cases._relu_net import Run
from reluctant.records import Axis, Figure, Line, Lines, Mark, Points, Scatter
from reluctant.records._figure import Style, Symbol

_BINS = 40  # of a training, each with one mean of the gauge
_CURVES = 3  # seeds in the learning curves; more hide each other
_STYLES: tuple[Style, ...] = ("solid", "dashed", "dotted")


def draw(data: Digits, shown: list[Run], numbers: dict[str, Any]) -> tuple[Figure, ...]:
    """All figures of the case."""
    colors = {rate: i for i, rate in enumerate(dict.fromkeys(r.rate for r in shown))}
    return (
        _curves(data, shown, colors),
        _gauges(shown, colors),
        _deaths(shown, colors),
        draw_map(data, numbers["map"], numbers["threshold"]),
        *draw_weights(data, shown),
        draw_arms(data, numbers["arms"]),
    )


def _curves(data: Digits, shown: list[Run], colors: dict[float, int]) -> Figure:
    lines = []
    few = sorted({run.seed for run in shown})[:_CURVES]
    for run in (run for run in shown if run.seed in few):
        epochs = tuple(float(e + 1) for e in range(len(run.test)))
        parts: tuple[tuple[str, list[float], Style], ...] = (
            ("test", run.test, "solid"),
            ("training", run.train, "dotted"),
        )
        for part, values, style in parts:
            lines.append(
                Line(
                    name=f"learning rate {run.rate:g}, {part}",
                    x=epochs,
                    y=tuple(100 * value for value in values),
                    style=style,
                    color=colors[run.rate],
                    markers=len(epochs) < 4,
                )
            )
    return Lines(
        name="learning-curves",
        title=f"{data.name}: above the threshold the score collapses, for good",
        x=Axis(title="epoch", low=1, high=max(2.0, len(shown[0].test)), whole=True),
        y=Axis(title="images classified rightly", unit="%", low=0, high=101),
        lines=tuple(lines),
        caption=f"One line for each of {len(few)} seeds. Solid: test images, dotted: "
        "training images, each as it was shown.",
    )


def _gauges(shown: list[Run], colors: dict[float, int]) -> Figure:
    first = [run for run in shown if run.seed == shown[0].seed]
    lines = []
    for run in first:
        edges = np.linspace(0, run.steps, _BINS + 1)
        values = [run.gauge(int(a), int(b) - 1) for a, b in pairwise(edges)]
        middles = (edges[:-1] + edges[1:]) / 2
        lines.append(
            Line(
                name=f"learning rate {run.rate:g}",
                x=tuple(map(float, middles)),
                y=tuple(values),
                style=_STYLES[colors[run.rate] % 3],
                color=colors[run.rate],
            )
        )
        died = [float(run.last_fired[u]) for u in run.dead if run.last_fired[u] >= 0]
        at = [min(int(step / run.steps * _BINS), _BINS - 1) for step in died]
        if died:
            lines.append(
                Line(
                    name=f"an output dies at {run.rate:g}",
                    x=tuple(died),
                    y=tuple(values[i] for i in at),
                    color=colors[run.rate],
                    lines=False,
                    markers=True,
                )
            )
    return Lines(
        name="step-gauge",
        title="The step gauge along training: outputs die from about 2 on",
        x=Axis(title="step", low=0, high=max(r.steps for r in first), whole=True),
        y=Axis(title="step gauge G = E[uᵀHu] / E[gᵀu]", low=0, high=5),
        lines=tuple(lines),
        marks=(Mark(at=2, text="edge, 2"),),
        caption="At 2 the average step gains nothing on its own sample. "
        f"Seed {first[0].seed}, means over a fortieth of the training.",
    )


def _deaths(shown: list[Run], colors: dict[float, int]) -> Figure:
    symbols: tuple[Symbol, ...] = ("circle", "cross", "square", "diamond")
    points = []
    for rate, color in colors.items():
        pairs = [
            (float(run.last_fired[unit]), float(unit))
            for run in shown
            if run.rate == rate
            for unit in run.dead
            if run.last_fired[unit] >= 0
        ]
        if pairs:
            x, y = zip(*pairs, strict=True)
            points.append(
                Points(
                    name=f"learning rate {rate:g}: {len(pairs)} died",
                    x=x,
                    y=y,
                    color=color,
                    symbol=symbols[color % 4],
                )
            )
    return Scatter(
        name="deaths",
        title="When each output unit died",
        x=Axis(title="last step whose sample it fired on", low=0,
               high=1.02 * max(run.steps for run in shown), whole=True),
        y=Axis(title="output unit (digit)", low=-0.5, high=9.5, whole=True),
        points=tuple(points),
        caption="All seeds. A dead unit fires on no training image at the end.",
    )  # fmt: skip
