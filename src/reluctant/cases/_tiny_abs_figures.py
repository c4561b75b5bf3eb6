"""What `tiny-abs` looks like.

Longer than most files: one function for each figure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reluctant.cases._tiny_abs_census import ALWAYS, DEAD, OUTCOMES, Units
from reluctant.cases._tiny_abs_linear import Learned
from reluctant.cases._tiny_abs_nets import UNITS, Floats, Trials
from reluctant.lab.engines import Parameters
from reluctant.records import (
    Axis,
    Bar,
    Bars,
    Figure,
    Image,
    Images,
    Line,
    Lines,
    Points,
    Scatter,
)

REACH, GRID = 3.0, 49  # of the surfaces, from the origin; points along a side
DRAWN = 300  # trials whose curves are drawn
_COLORS = dict(zip(OUTCOMES, (0, 2, 1, 1, 3, 4, 5, 6, 6), strict=True))
_INKS = (1, 3, 5)  # of the three units, readable on the surfaces


def draw(
    found: Trials,
    kinds: Sequence[str],
    best: float,
    numbers: dict[str, Any],
    learned: Sequence[Learned],
) -> tuple[Figure, ...]:
    """All figures of the case."""
    return (
        _linear(learned),
        _census(numbers),
        _surfaces(found, kinds),
        _curves(found, kinds),
        _vectors(found, kinds, won=True),
        _vectors(found, kinds, won=False),
        _signs(found),
        _by_sign(numbers),
    )


def _linear(learned: Sequence[Learned]) -> Figure:
    lines = [
        Line(
            name=f"{one.task}, {one.rule}",
            x=tuple(map(float, one.steps)),
            y=tuple(map(float, one.loss)),
            color=i // 2,
            style="dashed" if i % 2 else "solid",
        )
        for i, one in enumerate(learned)
    ]
    return Lines(
        name="linear",
        title="One linear layer learns a filter and a Fourier transform",
        x=Axis(title="step", low=0, high=float(learned[0].steps[-1]), whole=True),
        y=Axis(title="mean squared error / mean square of targets", scale="log"),
        lines=tuple(lines),
        caption="Down to the rounding of float32. White noise in, minibatches of 32.",
    )


def _census(numbers: dict[str, Any]) -> Figure:
    n = numbers["success"]["untreated"]["n"]
    bars = [
        Bar(
            label=kind,
            value=100 * count / n,
            color=_COLORS[kind],
            text=f"{count} of {n}",
        )
        for kind, count in numbers["census"].items()
    ]
    most = max(bar.value for bar in bars)
    return Bars(
        name="census",
        title="What three units end as",
        value=Axis(title="share of trials", unit="%", low=0, high=1.25 * most),
        bars=tuple(bars),
        caption="The hexagonal pyramid is the success: within 10 % of the best known "
        "loss.",
    )


def _surfaces(found: Trials, kinds: Sequence[str]) -> Figure:
    at = np.linspace(-REACH, REACH, GRID)
    points = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    images = [_image("target |x + jy|", np.hypot(points[:, 0], points[:, 1]))]
    for kind in OUTCOMES:
        here = [i for i, k in enumerate(kinds) if k == kind]
        if here and kind not in ("constant", "other") and len(images) < 6:
            middle = sorted(here, key=lambda i: float(found.loss[i]))[len(here) // 2]
            net = found.ends[middle]
            images.append(_image(kind, _output(net, points), _arrows(net)))
    return Images(
        name="surfaces",
        title="Success and failures over the plane, with their units",
        value=Axis(title="output", low=0.0, high=4.5),
        images=tuple(images),
        columns=3,
        diverging=False,
        x=Axis(title="x", low=-REACH, high=REACH),
        y=Axis(title="y", low=-REACH, high=REACH),
        contours=True,
        caption="Each unit as the slope that it adds, |a|·w from the origin; dashed "
        "where its outgoing weight a is negative. A unit without effect is a point.",
    )


def _image(label: str, values: Floats, lines: tuple[Line, ...] = ()) -> Image:
    rows = values.reshape(GRID, GRID)
    return Image(
        label=label, values=tuple(tuple(map(float, row)) for row in rows), lines=lines
    )


def _output(net: Parameters, x: Floats) -> Floats:
    units, (_, last) = Units.of(net), net[1]
    assert last is not None
    z = x @ units.incoming[:, :2].T + units.incoming[:, 2]
    y: Floats = np.maximum(z, 0) @ units.outgoing + float(last[0])
    return y


def _arrows(net: Parameters) -> tuple[Line, ...]:
    units = Units.of(net)
    tips = np.abs(units.outgoing)[:, None] * units.incoming[:, :2]
    return tuple(
        Line(
            name=f"unit {i + 1}",
            x=(0.0, float(tips[i, 0])),
            y=(0.0, float(tips[i, 1])),
            style="solid" if units.outgoing[i] > 0 else "dashed",
            color=_INKS[i],
            markers=True,
        )
        for i in range(UNITS)
    )


def _curves(found: Trials, kinds: Sequence[str]) -> Figure:
    lines = []
    for kind in OUTCOMES:  # so that the legend is in their order
        for i in (i for i, k in enumerate(kinds[:DRAWN]) if k == kind):
            lines.append(
                Line(
                    name=kind,
                    x=tuple(map(float, found.steps)),
                    y=tuple(float(f"{v:.3g}") for v in found.curves[i]),
                    color=_COLORS[kind],
                    style="dotted" if kind.endswith("alive") else "solid",
                )
            )
    return Lines(
        name="loss-curves",
        title="Losses fall onto a few levels, and stay there",
        x=Axis(title="step", low=0, high=float(found.steps[-1]), whole=True),
        y=Axis(title="mean squared error", scale="log"),
        lines=tuple(lines),
        caption=f"{min(DRAWN, len(kinds))} trials, a line each, by what they ended as.",
    )


def _vectors(found: Trials, kinds: Sequence[str], *, won: bool) -> Figure:
    """Units of all trials: weights if they won, else the slope that each unit adds."""
    states: dict[str, list[tuple[float, float]]] = {}
    x = found.plane.x.astype(float)
    for net, kind in zip(found.ends[:DRAWN], kinds, strict=False):
        if (kind == OUTCOMES[0]) != won:
            continue
        units = Units.of(net)
        firing = units.firing(x)
        weight = units.incoming[:, 0] + 1j * units.incoming[:, 1]
        slope = np.abs(units.outgoing) * weight
        right = 0 if won else int(np.abs(slope).argmax())
        z = (weight if won else slope) * np.exp(-1j * np.angle(weight[right]))
        for i in range(UNITS):
            if won:
                state = f"unit {i + 1}"
            elif firing[i] < DEAD:
                state = "dead"
            elif firing[i] > ALWAYS:
                state = "always on"
            else:
                state = "outgoing +" if units.outgoing[i] > 0 else "outgoing −"
            states.setdefault(state, []).append((z[i].real, z[i].imag))
    symbols = ("circle", "square", "diamond", "cross")
    points = [
        Points(
            name=state if won else f"{state} ({len(pairs)} units)",
            x=tuple(float(a) for a, _ in pairs),
            y=tuple(float(b) for _, b in pairs),
            symbol=symbols[k % 4],  # type: ignore[arg-type]
            color=k,
            size=7,
        )
        for k, (state, pairs) in enumerate(sorted(states.items()))
    ]
    if won:
        name, of, end = "units-success", "w", 3.0
        title = "Weights of the successes: three directions, 120° apart"
        caption = "Each trial is turned so that its unit 1 points to the right."
    else:
        name, of, end = "units-failure", "|a|·w", 1.75
        title = "Units of the failures: one line, or a right angle"
        caption = "Each trial is turned so that its steepest unit points to the right."
    return Scatter(
        name=name,
        title=title,
        x=Axis(title=f"{of} along that unit", low=-1.8 * end, high=1.8 * end),
        y=Axis(title=f"{of} across it", low=-end, high=end),
        points=tuple(points),
        caption=caption,
    )


def _signs(found: Trials) -> Figure:
    kept: list[tuple[float, float]] = []
    turned: list[tuple[float, float]] = []
    for old, new in zip(found.starts[:DRAWN], found.ends[:DRAWN], strict=True):
        a, b = Units.of(old), Units.of(new)
        balance = np.abs(a.outgoing) - np.linalg.norm(a.incoming, axis=1)
        after = b.outgoing * np.sign(a.outgoing)
        for x, y in zip(balance, after, strict=True):
            (kept if y >= 0 else turned).append((float(x), float(y)))
    points = [
        Points(
            name=f"{name} ({len(pairs)} units)",
            x=tuple(x for x, _ in pairs),
            y=tuple(y for _, y in pairs),
            symbol=symbol,  # type: ignore[arg-type]
            color=color,
            size=7,
        )
        for name, pairs, symbol, color in (
            ("kept its sign", kept, "circle", 0),
            ("changed its sign", turned, "cross", 1),
        )
    ]
    return Scatter(
        name="frozen-signs",
        title="An outgoing weight larger than its unit never changes its sign",
        x=Axis(title="|a| − ‖(w, b)‖ at the start"),
        y=Axis(title="outgoing weight at the end × its sign at the start"),
        points=tuple(points),
        caption="Right of 0 a unit is frozen: gradient flow keeps a² − ‖(w, b)‖².",
    )


def _by_sign(numbers: dict[str, Any]) -> Figure:
    groups = {
        f"{k} of {UNITS} outgoing weights positive": found
        for k, found in numbers["success_by_positive_outgoing"].items()
    }
    groups["none frozen at a negative one"] = numbers["success_without_frozen_negative"]
    groups["one or more frozen at a negative one"] = numbers[
        "success_with_frozen_negative"
    ]
    groups["all"] = numbers["success"]["untreated"]
    return Bars(
        name="success-by-sign",
        title="Success is decided by signs before the first step",
        value=Axis(title="successes", unit="%", low=0, high=120),
        bars=tuple(
            Bar(
                label=label,
                value=100 * (found["p"] or 0),
                low=100 * found["interval"][0],
                high=100 * found["interval"][1],
                color=0 if label != "all" else 6,
                text=f"{found['successes']} of {found['n']}",
            )
            for label, found in groups.items()
        ),
        caption="With 95 % Wilson intervals.",
    )
