"""Whether a gradient broke while the loss was an ordinary number."""

from typing import NamedTuple

import numpy as np

from reluctant.records import Trace
from reluctant.records.quantities import GRAD_NONFINITE, LOSS, STEP_SKIPPED
from reluctant.rules._loss import course
from reluctant.rules._notes import fed_nonfinite

_GROWN = 100.0  # times the largest ordinary loss: beyond, the loss itself exploded


class BrokenGradient(NamedTuple):
    """A backward pass that gave no number where the forward pass had given one.

    Attributes:
        step: The step whose gradient broke.
        loss: The loss of that step.
        sites: Parameters concerned, by the share of their entries; not all of them
            where only the weights afterwards tell.
        layer: The layer that the operation stands behind; "" if unknown.
        operation: What broke it, or all that may have; "" if unknown.
        is_seen: Whether the operation was seen to do it.
        is_lasting: Whether weights or losses were no numbers from then on.
    """

    step: int
    loss: float
    sites: tuple[str, ...]
    layer: str
    operation: str
    is_seen: bool
    is_lasting: bool


def broken_gradient(trace: Trace) -> BrokenGradient | None:
    """The first gradient that broke out of a finite and ordinary loss."""
    if fed_nonfinite(trace):
        return None
    steps, values = trace.series(LOSS)
    run = course(trace)
    found = _read(trace, steps[np.isfinite(values)]) or _left(trace, steps, values)
    found = found or _skipped(trace)
    if found is None:
        return None
    step, sites = found
    at = int(np.flatnonzero(steps <= step)[-1]) if (steps <= step).any() else -1
    if at < 0 or not np.isfinite(values[: at + 1]).all():
        return None
    level = float(np.abs(values[: max(3, (at + 1) // 2)]).max())
    if abs(values[at]) > _GROWN * max(level, abs(run.start)):
        return None  # the loss had left its scale before the gradient did
    poles = [n for n in trace.notes("pole") if n.step == step]
    notes = poles or list(trace.notes("backward"))
    layer, operation = (notes[0].site, notes[0].text) if notes else ("", "")
    return BrokenGradient(
        step,
        float(values[at]),
        sites,
        layer,
        operation,
        bool(poles),
        run.broke >= 0 or bool(trace.notes("nonfinite")) or sites == ("",),
    )


def _read(trace: Trace, sound: np.ndarray) -> tuple[int, tuple[str, ...]] | None:
    """The first sampled step with broken gradients, and where."""
    hits: dict[str, tuple[int, float]] = {}
    for site in trace.sites(GRAD_NONFINITE):
        at, share = trace.series(GRAD_NONFINITE, site)
        broken = np.flatnonzero(share > 0)
        if broken.size:
            hits[site] = int(at[broken[0]]), float(share[broken[0]])
    if not hits:
        return None
    first = min(step for step, _ in hits.values())
    if first not in sound:
        return None
    sites = [s for s, (step, _) in hits.items() if step == first]
    return first, tuple(sorted(sites, key=lambda s: -hits[s][1]))


def _left(
    trace: Trace, steps: np.ndarray, values: np.ndarray
) -> tuple[int, tuple[str, ...]] | None:
    """The last step with a sound loss, where weights are found broken after it."""
    names = {p.name for p in trace.setup.parameters}
    notes = [n for n in trace.notes("nonfinite") if n.site in names]
    if not notes:
        return None
    before = np.flatnonzero((steps < notes[0].step) & np.isfinite(values))
    if not before.size or notes[0].step - int(steps[before[-1]]) > 1:
        return None  # steps in between were not looked at
    step = int(steps[before[-1]])
    for site in trace.sites(GRAD_NONFINITE):
        at, share = trace.series(GRAD_NONFINITE, site)
        if (share[at == step] == 0).any():
            return None  # the gradient was sound, and what was made of it was not
    return step, (notes[0].site,)


def _skipped(trace: Trace) -> tuple[int, tuple[str, ...]] | None:
    """A step that a scaler left out, as it does most of them, with a pole behind it."""
    at, skipped = trace.series(STEP_SKIPPED)
    at = at[skipped == 1]
    poles = [n for n in trace.notes("pole") if n.step in at]
    if not poles or len(at) < max(10, trace.last_step / 2):
        return None
    return poles[0].step, ("",)
