"""What `sigmoid-init` looks like."""

from collections.abc import Sequence

import numpy as np

from reluctant.cases._data import Digits
from reluctant.cases._sigmoid_init_nets import (
    ARMS,
    CHANGED,
    DECAYED,
    Arm,
    Outcome,
    Signals,
)
from reluctant.records import Axis, Figure, Line, Lines, Mark
from reluctant.records._figure import Style

_COLORS = {arm.name: color for arm, color in zip(ARMS, (2, 1, 1, 5, 0, 3), strict=True)}
_STYLES: dict[str, Style] = {CHANGED.name: "dashed", DECAYED.name: "dotted"}


def draw(
    data: Digits,
    outcomes: Sequence[Outcome],
    shown: Sequence[tuple[Arm, Signals]],
    steps: Sequence[int],
    norms: Sequence[tuple[Arm, Sequence[tuple[float, float]]]],
    constant: float,
) -> tuple[Figure, ...]:
    """All figures of the case."""
    return (
        _curves(data, outcomes, constant),
        _depth(
            "signal",
            "Signal by depth: what differs between images dies out at the old start",
            "RMS of the part that differs between images",
            [(arm, found.varying) for arm, found in shown],
        ),
        _depth(
            "gradient",
            "Gradient by depth: a constant ½ feeds the head of the logistic net",
            "RMS of the gradient of the layer's weights",
            [(arm, found.gradient) for arm, found in shown],
        ),
        _norms(steps, norms),
    )


def _curves(data: Digits, outcomes: Sequence[Outcome], constant: float) -> Figure:
    lines = []
    for one in outcomes:
        records = one.run.records
        lines.append(
            _line(
                one.arm,
                records.step.astype(float),
                np.maximum(records.loss, 1e-4),
                suffix=f", rate {one.arm.rate:g}",
            )
        )
    last = max(line.x[-1] for line in lines)
    return Lines(
        name="learning-curves",
        title=f"{data.name}: with the old start, ReLU learns the biases of the classes",
        x=Axis(title="step", low=0, high=last, whole=True),
        y=Axis(title="cross-entropy", scale="log"),
        lines=tuple(lines),
        marks=(Mark(at=constant, text="best constant"),),
        caption="One line a seed; each point is a mean over a sixtieth of the steps.",
    )


def _depth(
    name: str, title: str, what: str, shown: Sequence[tuple[Arm, np.ndarray]]
) -> Figure:
    lines = [
        Line(
            name=arm.name,
            x=tuple(float(i + 1) for i in range(len(values))),
            y=tuple(map(float, values)),
            color=_COLORS[arm.name],
            style=_STYLES.get(arm.name, "solid"),
            markers=True,
        )
        for arm, values in shown
    ]
    layers = len(shown[0][1])
    return Lines(
        name=name,
        title=title,
        x=Axis(title="layer", low=0.8, high=layers + 0.2, whole=True),
        y=Axis(title=what, scale="log"),
        lines=tuple(lines),
        caption=f"Before the first step. Layer {layers} is the head.",
    )


def _norms(
    steps: Sequence[int], norms: Sequence[tuple[Arm, Sequence[tuple[float, float]]]]
) -> Figure:
    at = np.array(steps, float)
    lines = [
        _line(arm, at, np.array([w for w, _ in found]), suffix=f", rate {arm.rate:g}")
        for arm, found in norms
    ]
    return Lines(
        name="weight-norms",
        title="Weights that no gradient reaches stay, or decay to zero",
        x=Axis(title="step", low=0, high=float(at[-1]), whole=True),
        y=Axis(title="norm of all weights", scale="log"),
        lines=tuple(lines),
        caption="First seed.",
    )


def _line(arm: Arm, x: np.ndarray, y: np.ndarray, *, suffix: str) -> Line:
    return Line(
        name=arm.name + suffix,
        x=tuple(map(float, x)),
        y=tuple(map(float, y)),
        color=_COLORS[arm.name],
        style=_STYLES.get(arm.name, "solid"),
    )
