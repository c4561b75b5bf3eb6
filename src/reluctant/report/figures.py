"""Figures on one self-contained page: nothing is loaded from elsewhere.

One function for each kind of figure; plotly is needed only here, and only when called.
"""

import html
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from reluctant.records import Axis, Figure, Heatmap, Images, Lines, Scatter, UsageError

_PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
)  # tells hues apart for color-blind readers too
_DASH = {"solid": "solid", "dashed": "dash", "dotted": "dot"}
_SYMBOL = {"cross": "x", "open-circle": "circle-open"}
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
        font: 1rem/1.5 system-ui, sans-serif; color: #222; background: #fff; }}
figure {{ margin: 2rem 0; }} figcaption {{ color: #555; }}
</style></head><body><h1>{title}</h1>
"""
_Plot: TypeAlias = Any  # plotly has no types


def render(title: str, story: Sequence[str], figures: Sequence[Figure]) -> str:
    """Render paragraphs and figures as one HTML document.

    Raises:
        UsageError: If there are figures and plotly is not installed.
    """
    parts = [_HEAD.format(title=html.escape(title))]
    parts += [f"<p>{html.escape(text)}</p>\n" for text in story]
    for index, figure in enumerate(figures):
        plot = _draw(figure).to_html(
            full_html=False, include_plotlyjs=index == 0, include_mathjax=False
        )
        caption = html.escape(figure.caption)
        parts.append(f"<figure>{plot}<figcaption>{caption}</figcaption></figure>\n")
    return "".join(parts) + "</body></html>\n"


def _draw(figure: Figure) -> _Plot:
    try:
        from plotly import graph_objects
    except ImportError:
        raise UsageError(
            "figures were asked for, but plotly is not installed: "
            "`pip install reluctant[report]`, or leave the output folder out."
        ) from None
    plot = graph_objects.Figure()
    match figure:
        case Lines():
            _lines(plot, figure)
        case Scatter():
            _points(plot, figure)
        case Heatmap():
            _cells(plot, figure)
        case Images():
            plot = _images(figure)
    plot.update_layout(template="simple_white", title=figure.title)
    if isinstance(figure, Lines | Scatter | Heatmap):
        plot.update_layout(xaxis=_axis(figure.x), yaxis=_axis(figure.y))
        _marks(plot, figure)
    return plot


def _lines(plot: _Plot, figure: Lines) -> None:
    named: set[str] = set()
    for index, line in enumerate(figure.lines):
        color = _color(line.color, index)
        style = {"color": color, "dash": _DASH[line.style]}
        if line.low:
            x, edge = line.x + line.x[::-1], line.high + line.low[::-1]
            plot.add_scatter(
                x=x, y=edge, fill="toself", opacity=0.2, hoverinfo="skip",
                line={"width": 0, "color": color}, showlegend=False,
            )  # fmt: skip
        mode = "+".join(
            ["lines"] * line.lines
            + ["markers"] * line.markers
            + ["text"] * bool(line.labels)
        )
        plot.add_scatter(
            x=line.x, y=line.y, name=line.name, mode=mode or "lines", line=style,
            text=line.labels or None, textposition="top center",
            legendgroup=line.name,
            showlegend=bool(line.name) and line.name not in named,
        )  # fmt: skip
        named.add(line.name)


def _points(plot: _Plot, figure: Scatter) -> None:
    for index, kind in enumerate(figure.points):
        plot.add_scatter(
            x=kind.x, y=kind.y, name=kind.name,
            mode="markers+text" if kind.labels else "markers",
            text=kind.labels or None, textposition="top center",
            marker={
                "symbol": _SYMBOL.get(kind.symbol, kind.symbol),
                "color": _color(kind.color, index), "size": kind.size,
            },
        )  # fmt: skip


def _cells(plot: _Plot, figure: Heatmap) -> None:
    plot.add_heatmap(
        x=figure.columns, y=figure.rows, z=figure.values,
        zmin=figure.value.low, zmax=figure.value.high,
        zmid=0 if figure.diverging else None,
        colorscale="RdBu" if figure.diverging else "Viridis",
        colorbar={"title": _title(figure.value)},
    )  # fmt: skip


def _images(figure: Images) -> _Plot:
    from plotly.subplots import make_subplots

    columns = min(figure.columns, max(len(figure.images), 1))
    rows = math.ceil(len(figure.images) / columns) or 1
    labels = [image.label for image in figure.images]
    plot = make_subplots(rows=rows, cols=columns, subplot_titles=labels)
    for index, image in enumerate(figure.images):
        row, column = divmod(index, columns)
        plot.add_heatmap(
            z=image.values, coloraxis="coloraxis", row=row + 1, col=column + 1
        )
    plot.update_yaxes(autorange="reversed", visible=False)  # rows go from the top
    plot.update_xaxes(visible=False)
    plot.update_layout(
        height=120 + 180 * rows,
        coloraxis={
            "colorscale": "RdBu" if figure.diverging else "Greys",
            "cmid": 0 if figure.diverging else None,
            "cmin": figure.value.low, "cmax": figure.value.high,
            "colorbar": {"title": _title(figure.value)},
        },
    )  # fmt: skip
    return plot


def _marks(plot: _Plot, figure: Lines | Scatter | Heatmap) -> None:
    for mark in figure.marks:
        is_x = mark.across == "x"
        (plot.add_vline if is_x else plot.add_hline)(
            mark.at, line={"dash": _DASH[mark.style], "color": "#555"},
            annotation_text=mark.text or None,
        )  # fmt: skip
        if mark.low is not None:
            (plot.add_vrect if is_x else plot.add_hrect)(
                mark.low, mark.high, fillcolor="#999", opacity=0.2, line_width=0
            )


def _axis(axis: Axis) -> dict[str, Any]:
    ends = None
    if axis.low is not None and axis.high is not None:
        ends = [axis.low, axis.high]
        if axis.scale == "log":
            ends = [math.log10(end) for end in ends]
    return {"title": _title(axis), "type": axis.scale, "range": ends}


def _title(axis: Axis) -> str:
    return f"{axis.title} ({axis.unit})" if axis.unit else axis.title


def _color(given: int | None, index: int) -> str:
    return _PALETTE[(index if given is None else given) % len(_PALETTE)]
