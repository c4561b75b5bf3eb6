"""The map of `dying-output`: outputs lost at each learning rate, by each seed."""

import math
from collections.abc import Sequence
from typing import Any

from reluctant.cases._data import Digits
from reluctant.cases._relu_net import Run
from reluctant.cases._relu_net_kind import OUTPUTS
from reluctant.cases._relu_nets import Job, train_all
from reluctant.records import Axis, Figure, Heatmap, Mark
from reluctant.stats import wilson_interval

SPAN = (0.6, 1.75)  # of the measured threshold


def grid_of(threshold: float, columns: int) -> list[float]:
    """Evenly spaced learning rates on both sides of the threshold, on round numbers.

    Example:
        >>> grid_of(0.06, 8)
        [0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]
    """
    low, high = (share * threshold for share in SPAN)
    wanted = (high - low) / max(1, columns - 1)
    scale = 10.0 ** math.floor(math.log10(wanted))
    pitch = min((1, 2, 5, 10), key=lambda k: abs(math.log(k * scale / wanted))) * scale
    first, last = math.ceil(low / pitch), math.floor(high / pitch)
    return [float(f"{k * pitch:.6g}") for k in range(first, last + 1)]


def train_map(
    data: Digits, rates: Sequence[float], seeds: Sequence[int], *, epochs: int
) -> list[Run]:
    """One training for each cell."""
    return train_all(data, [Job(r, s) for r in rates for s in seeds], epochs=epochs)


def numbers_of(runs: Sequence[Run]) -> dict[str, Any]:
    """The map as JSON holds it: a row for each seed, a column for each rate."""
    rates = list(dict.fromkeys(run.rate for run in runs))
    seeds = list(dict.fromkeys(run.seed for run in runs))
    cell = {(run.seed, run.rate): run for run in runs}
    return {
        "rates": rates,
        "seeds": seeds,
        "outputs_lost": [[len(cell[s, r].dead) for r in rates] for s in seeds],
        "accuracy": [[cell[s, r].test[-1] for r in rates] for s in seeds],
        "by_rate": [_share([cell[s, r] for s in seeds]) for r in rates],
    }


def _share(runs: Sequence[Run]) -> dict[str, Any]:
    lost = sum(run.outcome != "trained" for run in runs)
    return {
        "rate": runs[0].rate,
        "lost": lost,
        "n": len(runs),
        "interval": list(wilson_interval(lost, len(runs))),
    }


def tell(found: dict[str, Any]) -> str:
    """Where the seed alone decides."""
    both = [cell for cell in found["by_rate"] if 0 < cell["lost"] < cell["n"]]
    head = (
        f"Map: {len(found['rates'])} learning rates from {found['rates'][0]:g} to "
        f"{found['rates'][-1]:g}, {len(found['seeds'])} seeds each. "
    )
    if not both:
        return head + "At each rate all seeds keep their outputs, or all lose some."
    middle = min(both, key=lambda cell: abs(cell["lost"] / cell["n"] - 0.5))
    low, high = middle["interval"]
    where = (
        f"At {both[0]['rate']:g}"
        if len(both) == 1
        else f"From {both[0]['rate']:g} to {both[-1]['rate']:g}"
    )
    return (
        f"{head}{where} the seed alone decides: at {middle['rate']:g}, "
        f"{middle['lost']} of {middle['n']} lose outputs ({low:.0%} to {high:.0%} of "
        "all seeds, 95% interval)."
    )


def draw_map(data: Digits, found: dict[str, Any], threshold: dict[str, Any]) -> Figure:
    """The grid, with predicted and measured threshold across it."""
    low, high = threshold["interval"]
    rates = found["rates"]
    rows = range(len(found["seeds"]))
    pitch = rates[1] - rates[0] if len(rates) > 1 else rates[0] / 5
    return Heatmap(
        name="map",
        title=f"{data.name}: output units alive at the end, by learning rate and seed",
        x=Axis(title="learning rate", low=rates[0] - pitch / 2,
               high=rates[-1] + pitch / 2),
        y=Axis(title="seed, numbered in turn", low=-0.5, high=len(rows) - 0.02,
               whole=True),
        value=Axis(title="alive of 10", low=0, high=OUTPUTS),
        columns=tuple(rates),
        rows=tuple(float(row) for row in rows),
        values=tuple(
            tuple(float(OUTPUTS - lost) for lost in row)  # dark marks show on light
            for row in found["outputs_lost"]
        ),
        marks=_marks(threshold, rates[-1]),
        caption=f"One training a cell. The median threshold was measured by bisection, "
        f"{low:.3g} to {high:.3g} with {threshold['coverage']:.0%} confidence, and "
        "predicted from the gauge of trainings far below it.",
    )  # fmt: skip


def _marks(threshold: dict[str, Any], end: float) -> tuple[Mark, ...]:
    """One text for both lines, right of both: each its own would cross the other."""
    measured, predicted = threshold["measured"], threshold["predicted"]
    text = f"measured {measured:.3g}"
    if predicted is None or not 0 < predicted < end:
        return (Mark(at=measured, across="x", text=text, style="solid"),)
    text += f", predicted (dashed) {predicted:.3g}"
    first = measured < predicted
    return (
        Mark(at=measured, across="x", text=" " if first else text, style="solid"),
        Mark(at=predicted, across="x", text=text if first else " "),
    )
