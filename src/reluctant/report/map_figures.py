"""The map as figures: success by learning rate, and every training of the grid."""

import math
from collections.abc import Sequence

from reluctant.records import (
    Axis,
    Figure,
    Heatmap,
    Line,
    Lines,
    MapSlice,
    Mark,
    SuccessMap,
)

_RATE = Axis(title="learning rate", scale="log")


def figures_of(found: SuccessMap) -> tuple[Figure, ...]:
    """Success by rate; thresholds by setting, if there are some; each grid."""
    figures: list[Figure] = [_by_rate(found)]
    if (by_setting := _by_setting(found)) is not None:
        figures.append(by_setting)
    figures += [_grid(found, part) for part in found.slices if part.runs]
    return tuple(figures)


def name_of(part: MapSlice) -> str:
    """A setting as one phrase, such as `width 100, activation relu`."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in part.setting.items()
    )


def _by_rate(found: SuccessMap) -> Lines:
    single = len(found.slices) == 1
    lines = tuple(
        Line(
            name=name_of(part) or "share of seeds that succeed",
            x=tuple(cell.rate for cell in part.cells),
            y=tuple(cell.probability for cell in part.cells),
            low=tuple(cell.low for cell in part.cells) if single else (),
            high=tuple(cell.high for cell in part.cells) if single else (),
            markers=True,
            style=("solid", "dashed", "dotted")[index // 7 % 3],
        )
        for index, part in enumerate(found.slices)
    )
    band = " Band: 95 % Wilson interval." if single else ""
    return Lines(
        name="success-by-rate",
        title=f"{found.recipe}: at which learning rates does it train?",
        x=_RATE,
        y=Axis(title="probability of success", low=-0.05, high=1.1),
        lines=lines,
        marks=_marks(found.slices[0]) if single else (),
        caption=f"Success: {found.meaning}.{band}",
    )


def _grid(found: SuccessMap, part: MapSlice) -> Heatmap:
    best = max((r.gain for r in part.runs if r.outcome == "trained"), default=math.nan)
    values = {(run.seed, run.rate): _share(run.gain, best) for run in part.runs}
    setting = name_of(part)
    slug = setting.replace(", ", "-").replace(" ", "-")
    return Heatmap(
        name="-".join(filter(None, ["rate-by-seed", slug])),
        title=f"{found.recipe}: what each training came to"
        + (f", {setting}" if setting else ""),
        x=_RATE,
        y=Axis(title="seed", whole=True),
        value=Axis(title="gain, of the best", low=0.0, high=1.0),
        columns=found.rates,
        rows=tuple(float(seed) for seed in found.seeds),
        values=tuple(
            tuple(values.get((seed, rate), math.nan) for rate in found.rates)
            for seed in found.seeds
        ),
        marks=_marks(part),
        caption=(
            "How far each training came, from the best constant predictor (0) to the "
            "best training of the map (1). White: not trained."
        ),
    )


def _by_setting(found: SuccessMap) -> Lines | None:
    """Threshold over the one further axis, where that has numbers."""
    if len(found.axes) != 1:
        return None
    ((axis, values),) = found.axes.items()
    if len(values) < 2 or any(isinstance(value, str) for value in values):
        return None
    x = tuple(float(value) for value in values)
    limits = [part.threshold for part in found.slices]
    lowest, highest = found.rates[0], found.rates[-1]
    measured = Line(
        name="measured: half of the seeds stop to train",
        x=x,
        y=tuple(t.median for t in limits),
        low=tuple(max(t.low, lowest) for t in limits),
        high=tuple(min(t.high, highest) for t in limits),
        markers=True,
    )
    predicted = Line(
        name="predicted from short trainings",
        x=x,
        y=tuple(t.predicted for t in limits),
        style="dotted",
        markers=True,
    )
    lines = (measured, predicted)
    return Lines(
        name=f"threshold-by-{axis.replace('_', '-')}",
        title=f"{found.recipe}: the limit of the learning rate",
        x=Axis(title=axis.replace("_", " "), scale="log"),
        y=Axis(title="learning rate", scale="log"),
        lines=tuple(line for line in lines if any(map(math.isfinite, line.y))),
        caption="Band: interval of the median threshold.",
    )


def _marks(part: MapSlice) -> tuple[Mark, ...]:
    threshold, marks = part.threshold, []
    if math.isfinite(threshold.median):
        is_closed = threshold.low > 0 and math.isfinite(threshold.high)
        marks.append(
            Mark(
                at=threshold.median,
                across="x",
                text=f"threshold {threshold.median:.3g}",
                low=threshold.low if is_closed else None,
                high=threshold.high if is_closed else None,
            )
        )
    rates: Sequence[float] = [cell.rate for cell in part.cells]
    if rates and rates[0] / 2 <= threshold.predicted <= rates[-1] * 2:
        text = f"predicted {threshold.predicted:.3g}"
        marks.append(
            Mark(at=threshold.predicted, across="x", text=text, style="dotted")
        )
    return tuple(marks)


def _share(gain: float, best: float) -> float:
    """Of the best gain, from 0 to 1; a training without a number came to nothing."""
    if math.isnan(best):
        return 0.0
    return min(1.0, max(0.0, gain / best)) if math.isfinite(gain) else 0.0
