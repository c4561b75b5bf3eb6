"""Draw figures: one self-contained HTML page, or a PNG.

Everything that is drawn is drawn here, so that all figures look alike: white ground,
text of 12 pixels and more, the palette of Okabe and Ito, and a second sign (line style,
symbol) wherever color tells series apart. Longer than most files: one function for each
kind of figure.
"""

import html
import math
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from reluctant.records import (
    Axis,
    Bars,
    Figure,
    Heatmap,
    Images,
    Line,
    Lines,
    Mark,
    Scatter,
    UsageError,
)

Plot: TypeAlias = Any  # plotly has no types

# color-blind safe, in the order in which they are told apart best on white
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9")
WIDTH, HEIGHT = 900, 560
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chrome-headless-shell",
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=8000",
)
_DASH = {"solid": "solid", "dashed": "dash", "dotted": "dot"}
_SYMBOL = {"cross": "x", "open-circle": "circle-open"}
_INK, _GRID = "#222222", "#E3E3E3"
_NARROW = 44  # characters of a title under half of a figure


def render(title: str, story: Sequence[str], figures: Sequence[Figure]) -> str:
    """Paragraphs and figures as one HTML document that loads nothing from elsewhere.

    Args:
        title: Of the page; no heading is shown if it is empty.
        story: Paragraphs, before the figures.
        figures: In reading order, each with its caption under it.

    Raises:
        UsageError: If there are figures and plotly is not installed.
    """
    parts = [f"<h1>{html.escape(title)}</h1>"] if title else []
    parts += [f"<p>{html.escape(text)}</p>" for text in story]
    for figure in figures:
        plot = draw(figure).to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"figure-{figure.name}",
            config={"displaylogo": False, "displayModeBar": False},
        )
        caption = html.escape(figure.caption)
        parts.append(f"<figure>{plot}<figcaption>{caption}</figcaption></figure>")
    return _PAGE.format(
        title=html.escape(title or "figures"),
        script=_script() if figures else "",
        body="\n".join(parts),
    )


def write_png(figure: Figure, path: Path, *, scale: float = 2) -> None:
    """Write a picture of one figure, taken by a headless Chromium.

    Args:
        figure: To draw.
        path: The file.
        scale: Device pixels a CSS pixel; 2 is sharp in print.

    Raises:
        UsageError: If there is no Chromium or Chrome, or it takes no picture, or plotly
            is not installed.
        OSError: If the file cannot be written.
    """
    browser = find_browser()
    if browser is None:
        raise UsageError(
            "a PNG needs a Chromium or Chrome, and none is on PATH: install one, or "
            "write HTML, which needs none."
        )
    with tempfile.TemporaryDirectory(
        prefix="reluctant-figure-", ignore_cleanup_errors=True
    ) as folder:
        page, shot = Path(folder, "figure.html"), Path(folder, "figure.png")
        page.write_text(render("", (), (figure,)), encoding="utf-8")
        height = _height(figure) + 90
        command = [
            browser,
            *FLAGS,
            f"--user-data-dir={folder}/profile",
            f"--force-device-scale-factor={scale:g}",
            f"--window-size={WIDTH + 40},{height}",
            f"--screenshot={shot}",
            page.as_uri(),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=90, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"{browser} took no picture: {error}") from None
        if not shot.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UsageError(
                f"{browser} took no picture (exit {done.returncode}): {last}"
            )
        path.write_bytes(shot.read_bytes())


def find_browser() -> str | None:
    """Path of a Chromium or Chrome, or None."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def draw(figure: Figure) -> Plot:
    """A plotly figure.

    Raises:
        UsageError: If plotly is not installed.
    """
    try:
        from plotly import graph_objects, subplots
    except ImportError:
        raise UsageError(
            "figures need plotly, which is not installed: pip install "
            "'reluctant[report]'."
        ) from None
    if isinstance(figure, Images):
        return _images(figure, subplots)
    plot = graph_objects.Figure()
    _lay_out(plot, figure)
    if isinstance(figure, Bars):
        return _bars(plot, figure)
    _set_axes(plot, figure)
    match figure:
        case Lines():
            _lines(plot, figure)
        case Scatter():
            _points(plot, figure)
        case Heatmap():
            _cells(plot, figure)
    _marks(plot, figure.marks, {"x": figure.x, "y": figure.y})
    return plot


def _lines(plot: Plot, figure: Lines) -> None:
    _add_lines(plot, figure.lines, set())


def _add_lines(plot: Plot, lines: Sequence[Line], named: set[str], **at: int) -> None:
    """Draw lines; `named` are those that the legend has, `at` is where in a grid."""
    for index, line in enumerate(lines):
        color = _color(line.color, index)
        if line.low and line.high:
            plot.add_scatter(
                x=[*line.x, *reversed(line.x)],
                y=[*line.high, *reversed(line.low)],
                fill="toself",
                fillcolor=_faint(color),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                **at,
            )
        plot.add_scatter(
            x=line.x,
            y=line.y,
            mode=_mode(line),
            name=line.name,
            legendgroup=line.name or f"line {index}",
            showlegend=bool(line.name) and line.name not in named,
            text=line.labels or None,
            textposition="top center",
            line={"color": color, "dash": _DASH[line.style], "width": 2.2},
            marker={"color": color, "size": 9, "line": {"color": "white", "width": 1}},
            connectgaps=False,
            **at,
        )
        named.add(line.name)


def _points(plot: Plot, figure: Scatter) -> None:
    for index, points in enumerate(figure.points):
        plot.add_scatter(
            x=points.x,
            y=points.y,
            mode="markers+text" if points.labels else "markers",
            name=points.name,
            text=points.labels or None,
            textposition="top center",
            showlegend=bool(points.name),
            marker={
                "symbol": _SYMBOL.get(points.symbol, points.symbol),
                "color": _color(points.color, index),
                "size": points.size,
            },
        )


def _cells(plot: Plot, figure: Heatmap) -> None:
    plot.add_heatmap(
        x=figure.columns,
        y=figure.rows,
        z=[[None if math.isnan(v) else v for v in row] for row in figure.values],
        xgap=1,
        ygap=1,
        colorbar=_bar(figure.value),
        **_scale(figure.value, figure.values, diverging=figure.diverging),
    )


def _bars(plot: Plot, figure: Bars) -> Plot:
    ends = [
        (bar.high or bar.value) - bar.value if bar.high is not None else 0.0
        for bar in figure.bars
    ]
    below = [bar.value - bar.low if bar.low is not None else 0.0 for bar in figure.bars]
    plot.add_bar(
        x=[bar.value for bar in figure.bars],
        y=[html.escape(bar.label) for bar in figure.bars],
        orientation="h",
        marker={"color": [_color(bar.color, 0) for bar in figure.bars]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": ends,
            "arrayminus": below,
            "color": _INK,
            "thickness": 1.6,
            "visible": any(ends),
        },
        showlegend=False,
    )
    for bar in figure.bars:
        plot.add_annotation(
            x=bar.high if bar.high is not None else bar.value,
            y=html.escape(bar.label),
            text=html.escape(bar.text),
            font={"size": 14, "color": _INK},
            showarrow=False,
            xanchor="left",
            xshift=6,
        )
    labels = {"autorange": "reversed", "automargin": True, "ticksuffix": "  "}
    value = _axis(figure.value)
    # under the bars alone there is little room beside long labels
    lines = textwrap.wrap(value["title"]["text"], _NARROW, break_on_hyphens=False)
    value["title"] = {"text": "<br>".join(lines)}
    plot.update_layout(xaxis=value, yaxis=labels, bargap=0.3, margin={"r": 60, "t": 70})
    return plot


def _images(figure: Images, subplots: Any) -> Plot:
    """Small pictures: a grid of plots, each with equal scales along both axes."""
    columns = max(1, min(figure.columns, len(figure.images)))
    rows = max(1, math.ceil(len(figure.images) / columns))
    plot = subplots.make_subplots(
        rows,
        columns,
        subplot_titles=[html.escape(image.label) for image in figure.images],
        horizontal_spacing=0.02 if figure.x is None else 0.06,
        vertical_spacing=min(0.12, 0.4 / rows),
    )
    named: set[str] = set()
    for index, image in enumerate(figure.images):
        at = {"row": index // columns + 1, "col": index % columns + 1}
        look: dict[str, Any] = {"z": image.values, "coloraxis": "coloraxis"}
        sideways: dict[str, Any] = {"visible": False}
        upright: dict[str, Any] = {"visible": False, "autorange": "reversed"}
        if figure.x is not None and figure.y is not None:
            look |= {
                "x": _even(figure.x, len(image.values[0])),
                "y": _even(figure.y, len(image.values)),
            }
            sideways, upright = _axis(figure.x), _axis(figure.y)
            if at["row"] < rows and index + columns < len(figure.images):
                sideways["title"] = None
            if at["col"] > 1:
                upright["title"] = None
        if figure.contours:
            plot.add_contour(**look, ncontours=14, line={"width": 1}, **at)
        else:
            plot.add_heatmap(**look, **at)
        _add_lines(plot, image.lines, named, **at)
        plot.update_xaxes(sideways | {"constrain": "domain"}, **at)
        number = "" if index == 0 else str(index + 1)
        upright |= {"scaleanchor": f"x{number}", "constrain": "domain"}
        plot.update_yaxes(upright, **at)
    for index in range(len(figure.images), rows * columns):
        at = {"row": index // columns + 1, "col": index % columns + 1}
        plot.update_xaxes(visible=False, **at)
        plot.update_yaxes(visible=False, **at)
    pixels = [row for image in figure.images for row in image.values]
    scale = _scale(figure.value, pixels, diverging=figure.diverging)
    plot.update_layout(
        coloraxis={
            "colorscale": scale["colorscale"],
            "cmin": scale["zmin"],
            "cmax": scale["zmax"],
            "colorbar": _bar(figure.value),
        }
    )
    _lay_out(plot, figure)
    plot.update_annotations(font={"size": 14, "color": _INK})
    plot.update_layout(
        legend={"orientation": "h", "y": -0.14, "x": 0, "yanchor": "top"}
    )
    return plot


def _even(axis: Axis, count: int) -> list[float]:
    """As many positions, evenly from one end of an axis to the other."""
    low, high = axis.low or 0.0, axis.high or 0.0
    return [low + (high - low) * i / max(1, count - 1) for i in range(count)]


def _lay_out(plot: Plot, figure: Figure) -> None:
    plot.update_layout(
        title={
            "text": html.escape(figure.title),
            "font": {"size": 18},
            "x": 0.01,
            "xanchor": "left",
        },
        font={"size": 14, "color": _INK, "family": "Helvetica, Arial, sans-serif"},
        width=WIDTH,
        height=_height(figure),
        plot_bgcolor="white",
        paper_bgcolor="white",
        colorway=PALETTE,
    )


def _height(figure: Figure) -> int:
    if not isinstance(figure, Images):
        return HEIGHT
    columns = max(1, min(figure.columns, len(figure.images)))
    rows = math.ceil(len(figure.images) / columns)
    legend = 50 if any(image.lines for image in figure.images) else 0
    return 110 + legend + rows * (30 + (WIDTH - 200) // max(2, columns))


def _set_axes(plot: Plot, figure: Lines | Scatter | Heatmap) -> None:
    texts = [mark.text for mark in figure.marks if mark.across == "y"]
    beside = min(240, max((8 * len(text) for text in texts), default=0))
    plot.update_layout(
        xaxis=_axis(figure.x),
        yaxis=_axis(figure.y),
        legend={"orientation": "h", "y": -0.18, "x": 0, "yanchor": "top"},
        margin={"l": 80, "r": 30 + beside, "t": 70, "b": 60},
    )


def _axis(axis: Axis) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "title": {"text": _title(axis)},
        "type": axis.scale,
        "gridcolor": _GRID,
        "linecolor": _INK,
        "showline": True,
        "ticks": "outside",
        "zeroline": False,
        "exponentformat": "power" if axis.scale == "log" else "none",
        "separatethousands": True,
    }
    if axis.whole:
        drawn["tickformat"] = ",.0f"
    if axis.low is not None and axis.high is not None:
        drawn["range"] = [
            math.log10(end) if axis.scale == "log" else end
            for end in (axis.low, axis.high)
        ]
        if axis.whole and axis.high - axis.low <= 20:
            drawn |= {"tick0": 0, "dtick": 1}
    return drawn


def _marks(plot: Plot, marks: Iterable[Mark], axes: dict[str, Axis]) -> None:
    """Lines across; texts at the top step down, so that none hides another."""
    below = 0
    for mark in marks:
        vertical = mark.across == "x"
        add_line = plot.add_vline if vertical else plot.add_hline
        add_band = plot.add_vrect if vertical else plot.add_hrect
        at = "x" if vertical else "y"
        if mark.low is not None and mark.high is not None:
            ends = {f"{at}0": mark.low, f"{at}1": mark.high}
            band = {"fillcolor": "#888888", "opacity": 0.18, "line_width": 0}
            add_band(**ends, **band, layer="below")
        text: dict[str, Any] | None = None
        if mark.text:
            text = {"text": html.escape(mark.text), "font": {"size": 13, "color": _INK}}
            if vertical:  # it stands in the plot, above cells as dark as its ink
                text |= {"bgcolor": "rgba(255,255,255,0.8)"}
                text |= {"yanchor": "top", "xanchor": "left", "yshift": -20 * below}
                below += 1
            else:
                text |= {"yanchor": "middle", "xanchor": "left", "xshift": 4}
        add_line(
            **{at: mark.at},
            line={"color": _INK, "width": 1.6, "dash": _DASH[mark.style]},
            annotation=text,
            annotation_position="top right" if vertical else "right",
        )
        if text and axes[at].scale == "log":  # a text is placed by the exponent
            plot.layout.annotations[-1][at] = math.log10(mark.at)


def _mode(line: Line) -> str:
    parts = ["lines"] * line.lines + ["markers"] * (line.markers or not line.lines)
    return "+".join([*parts, *["text"] * bool(line.labels)])


def _scale(
    axis: Axis, rows: Iterable[Iterable[float]], *, diverging: bool
) -> dict[str, Any]:
    finite = [v for row in rows for v in row if math.isfinite(v)] or [0.0]
    low = min(finite) if axis.low is None else axis.low
    high = max(finite) if axis.high is None else axis.high
    if not diverging:
        return {"zmin": low, "zmax": high, "colorscale": "Cividis"}
    end = max(abs(low), abs(high)) or 1.0
    colors = [[0, "#0072B2"], [0.5, "#FFFFFF"], [1, "#D55E00"]]  # white at zero
    return {"zmin": -end, "zmax": end, "colorscale": colors}


def _bar(axis: Axis) -> dict[str, Any]:
    return {"title": {"text": _title(axis), "side": "top"}, "outlinewidth": 0}


def _title(axis: Axis) -> str:
    return html.escape(f"{axis.title} ({axis.unit})" if axis.unit else axis.title)


def _color(given: int | None, index: int) -> str:
    return PALETTE[(index if given is None else given) % len(PALETTE)]


def _faint(color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _script() -> str:
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ margin: 16px; background: white; color: #222; max-width: 940px;
       font: 15px/1.5 Helvetica, Arial, sans-serif; }}
figure {{ margin: 0 0 24px; break-inside: avoid; }}
figcaption {{ margin: 0 8px; font-size: 14px; }}
</style>
<script>{script}</script>
</head>
<body>
{body}
</body>
</html>
"""
