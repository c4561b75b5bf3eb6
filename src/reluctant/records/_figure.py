"""A figure as data: what is to be seen, not how it is drawn."""

from typing import Literal, TypeAlias

import msgspec

Style: TypeAlias = Literal["solid", "dashed", "dotted"]
Symbol: TypeAlias = Literal["circle", "cross", "square", "diamond", "open-circle"]


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One axis of a figure.

    Attributes:
        title: What it measures.
        unit: Unit, left out where it has none.
        scale: `"log"` leaves out what is not positive.
        low: Where it begins; None lets the data decide.
        high: Where it ends. Both or neither.
        whole: Whether it counts things, so that only whole numbers have a tick.
    """

    title: str
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    low: float | None = None
    high: float | None = None
    whole: bool = False


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One series.

    Attributes:
        name: In the legend; series with one name share an entry. Empty leaves it out.
        x: Positions.
        y: Values, as many; nan is a gap.
        style: Solid for what counts, dotted for what it is compared with.
        color: Position in the palette; series that belong together share one. None
            takes the next.
        markers: Whether each point is marked.
        lines: Whether points are joined.
        low: Lower edge of a band around the line; empty for none.
        high: Upper edge of the band.
        labels: One text a point, shown beside it; empty for none.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Style = "solid"
    color: int | None = None
    markers: bool = False
    lines: bool = True
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A straight line across the figure at one value: a limit, a moment.

    Attributes:
        at: The value.
        across: The axis that the value is on.
        text: Written beside it.
        style: How it is drawn.
        low: Lower end of a shaded band around it; None for none.
        high: Upper end of the band.
    """

    at: float
    across: Literal["x", "y"] = "y"
    text: str = ""
    style: Style = "dashed"
    low: float | None = None
    high: float | None = None


class Lines(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Series over a common axis.

    Attributes:
        name: Stem of the file that it is written to.
        title: What is to be seen, as a sentence.
        x: Horizontal axis.
        y: Vertical axis.
        lines: The series.
        marks: Limits and moments.
        caption: Under the figure: what a reader needs besides.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    caption: str = ""


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """Points of one kind.

    Attributes:
        name: In the legend.
        x: Positions.
        y: Positions.
        symbol: Kinds differ in shape as well as in color.
        color: Position in the palette; None takes the next.
        size: Diameter, in pixels.
        labels: One text a point; empty for none.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    symbol: Symbol = "circle"
    color: int | None = None
    size: float = 9
    labels: tuple[str, ...] = ()


class Scatter(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Points on two axes; further attributes as in `Lines`."""

    name: str
    title: str
    x: Axis
    y: Axis
    points: tuple[Points, ...]
    marks: tuple[Mark, ...] = ()
    caption: str = ""


class Heatmap(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A value for each cell of a grid.

    Attributes:
        values: One tuple for each of `rows`, one entry for each of `columns`; nan is a
            cell without a value.
        columns: Positions on the horizontal axis.
        rows: Positions on the vertical axis.
        value: What a cell measures; `low` and `high` are the ends of the color scale.
        diverging: Whether zero is the middle of the color scale.
        marks: Limits, such as a threshold across the grid.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    value: Axis
    columns: tuple[float, ...]
    rows: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    diverging: bool = False
    marks: tuple[Mark, ...] = ()
    caption: str = ""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One small picture.

    Attributes:
        label: Above it.
        values: Rows of values, from the top; from the bottom if the figure has axes.
        lines: Drawn over it, on the figure's axes; equal names share a legend entry.
    """

    label: str
    values: tuple[tuple[float, ...], ...]
    lines: tuple[Line, ...] = ()


class Images(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Small pictures side by side, on one scale.

    Attributes:
        value: What a pixel measures; `low` and `high` are the ends of the scale.
        images: In reading order.
        columns: Pictures in a row.
        diverging: Whether zero is the middle of the color scale.
        x: Horizontal axis of each, with both ends; None for pictures without axes.
        y: Vertical axis of each; both or neither.
        contours: Whether levels are drawn in place of pixels.
    """

    name: str
    title: str
    value: Axis
    images: tuple[Image, ...]
    columns: int = 5
    diverging: bool = True
    x: Axis | None = None
    y: Axis | None = None
    contours: bool = False
    caption: str = ""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar.

    Attributes:
        label: Beside it.
        value: Its length.
        low: Lower end of an interval around its end; None for none.
        high: Upper end. Both or neither.
        color: Position in the palette.
        text: Written at its end.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    color: int = 0
    text: str = ""


class Bars(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Amounts of things that have names, from the top.

    Attributes:
        value: What the bars measure.
        bars: In reading order, with different labels.
    """

    name: str
    title: str
    value: Axis
    bars: tuple[Bar, ...]
    caption: str = ""


Figure: TypeAlias = Lines | Scatter | Heatmap | Images | Bars
