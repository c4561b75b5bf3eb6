"""Every kind of figure is drawn, on a page that needs nothing else."""

import math
import re

import pytest

from reluctant.records import (
    Axis,
    Figure,
    Heatmap,
    Image,
    Images,
    Line,
    Lines,
    Mark,
    Points,
    Scatter,
    UsageError,
)
from reluctant.report import figures

pytest.importorskip("plotly")

X, Y = Axis(title="epoch", whole=True, low=1, high=9), Axis(title="score", unit="%")
EVERY: list[Figure] = [
    Lines(
        name="lines",
        title="Scores <of> all",
        x=X,
        y=Y,
        lines=(
            Line(name="test", x=(1, 2, 3), y=(1, math.nan, 3), low=(0, 1, 2),
                 high=(2, 3, 4), color=0),
            Line(name="test", x=(1, 2), y=(5, 6), style="dotted", labels=("a", "b")),
            Line(name="deaths", x=(2,), y=(2,), lines=False),
        ),
        marks=(Mark(at=2, text="edge"), Mark(at=2, across="x", low=1, high=3)),
        caption="One line & more",
    ),
    Scatter(
        name="scatter",
        title="Where",
        x=Axis(title="rate", scale="log", low=0.01, high=1),
        y=Y,
        points=(Points(name="lost", x=(0.1,), y=(3,), symbol="cross"),),
        marks=(Mark(at=0.1, across="x", text="limit"),),
    ),
    Heatmap(
        name="map", title="Map", x=X, y=Y, value=Axis(title="share"),
        columns=(1, 2), rows=(0, 1), values=((0, math.nan), (1, 0.5)),
    ),
    Images(
        name="weights", title="Weights", value=Axis(title="weight"), columns=2,
        images=tuple(
            Image(label=f"unit {k}", values=((-1, 0), (0.5, k))) for k in range(3)
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("figure", EVERY, ids=lambda f: f.name)
def test_drawn_white_large_and_safe_for_the_color_blind(figure):
    layout = figures.draw(figure).to_plotly_json()["layout"]
    assert layout["plot_bgcolor"] == layout["paper_bgcolor"] == "white"
    assert layout["font"]["size"] >= 12
    del layout["template"]  # its defaults are overridden
    sizes = re.findall(r"'size': (\d+)", str(layout))
    assert min(map(int, sizes)) >= 12


def test_series_differ_in_more_than_color():
    data = figures.draw(EVERY[0]).to_plotly_json()["data"]
    assert [d["line"].get("dash") for d in data[1:3]] == ["solid", "dot"]
    assert [bool(d.get("showlegend")) for d in data] == [False, True, False, True]
    assert data[3]["mode"] == "markers"


def test_the_page_stands_alone():
    page = figures.render("dying-output", ["First <b>", "Second"], EVERY)
    assert page.count("<figure>") == 4
    assert "First &lt;b&gt;" in page
    assert "One line &amp; more" in page
    outside = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    assert not outside
    assert "newPlot" in page


def test_a_page_without_figures_is_small():
    assert len(figures.render("title", ["text"], [])) < 2000


def test_png_without_a_browser_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "BROWSERS", ("no-such-browser",))
    with pytest.raises(UsageError, match="none is on PATH"):
        figures.write_png(EVERY[0], tmp_path / "a.png")


@pytest.mark.slow
@pytest.mark.skipif(figures.find_browser() is None, reason="needs a Chromium")
def test_png(tmp_path):
    figures.write_png(EVERY[0], tmp_path / "a.png", scale=1)
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000
