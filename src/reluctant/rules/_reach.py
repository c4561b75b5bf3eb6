"""How far one step carries the weights, as a share of what they are."""

from math import prod
from typing import NamedTuple

import numpy as np

from reluctant.records import Trace
from reluctant.records.quantities import UPDATE_RATIO


class Reach(NamedTuple):
    """The relative change of the weights in one step.

    Attributes:
        value: Of the weight in the middle; nan where none was measured.
        limit: Where the product of all layers doubles: beyond, the gradient says
            nothing of where the step ends.
        step: Of which step.
        weights: How many weight matrices were measured.
    """

    value: float
    limit: float
    step: int
    weights: int


def reach(trace: Trace, until: int, *, least: float) -> Reach:
    """The longest steps up to one of them; the second longest where more were read.

    Args:
        trace: The run.
        until: Last step to look at.
        least: Limit for a network of any depth: branches are no product.
    """
    sizes = {p.name: prod(p.shape) for p in trace.setup.parameters if len(p.shape) > 1}
    by_step: dict[int, list[float]] = {}
    for site in trace.sites(UPDATE_RATIO):
        if site not in sizes:
            continue  # a bias that starts at zero moves by any multiple of itself
        steps, values = trace.series(UPDATE_RATIO, site)
        keep = np.isfinite(values) & (steps <= until)
        for step, value in zip(steps[keep].tolist(), values[keep], strict=True):
            by_step.setdefault(step, []).append(float(value))
    rows = sorted(
        ((float(np.median(v)), step, len(v)) for step, v in by_step.items()),
        reverse=True,
    )
    if not rows:
        return Reach(float("nan"), float("nan"), -1, 0)
    value, step, count = rows[1] if len(rows) > 2 else rows[0]
    return Reach(value, max(least, 2 ** (1 / count) - 1), step, count)
