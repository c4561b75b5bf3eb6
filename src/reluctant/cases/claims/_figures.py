"""Values with intervals that are no shares."""

from collections.abc import Sequence

from reluctant.records import Axis, Comparison, Figure, Line, Lines


def dots(
    name: str, title: str, measure: str, comparisons: Sequence[Comparison]
) -> Figure:
    """The arms of all comparisons in turn, each with its interval."""
    arms = {arm.label: arm for c in comparisons for arm in c.arms}
    lines = tuple(
        Line(
            name=label,
            x=(float(place), float(place)),
            y=(arm.low, arm.high),
            color=place % 7,
        )
        for place, (label, arm) in enumerate(arms.items(), start=1)
    )
    middles = Line(
        name="median",
        x=tuple(float(place) for place in range(1, len(arms) + 1)),
        y=tuple(arm.value for arm in arms.values()),
        color=5,
        markers=True,
        lines=False,
        labels=tuple(arms),
    )
    return Lines(
        name=name,
        title=title,
        x=Axis(title="", low=0.5, high=len(arms) + 1.2),
        y=Axis(title=measure, scale="log"),
        lines=(*lines, middles),
        caption="Vertical lines: 95 % intervals of the median, order statistics.",
    )
