"""Which units of a layer have fallen silent, since when, and how surely."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Layer, Trace
from reluctant.records.quantities import (
    BATCH_SAMPLES,
    CENSUS_FIRED,
    CENSUS_SAMPLES,
    CENSUS_WHOLE,
    FIRING_RATE,
    GRAD_REACHED,
    LAST_REACHED,
    PREACT_MAX,
    PREACT_RMS,
    PREACT_VARIATION,
    REACH_STEPS,
)
from reluctant.stats import log_median, silences

# activations with an exact zero: nothing comes back through a unit that is off
CAN_DIE = ("relu", "relu6", "threshold", "clamp")


class Silent(NamedTuple):
    """The silence of each unit of one layer.

    Attributes:
        layer: The layer.
        since: Shape `(units,)`: step after the last sign of life; 0 if there was none.
        samples: Shape `(units,)`: training samples that passed since.
        rate: Shape `(units,)`: firing rate while alive; nan if it never fired.
        longest: Shape `(units,)`: longest silence it came back from, in samples.
        ever: Shape `(units,)`: whether it ever showed life.
        depth: Shape `(units,)`: how far below 0 its pre-activation stayed since, in
            units of the layer's RMS; nan if that was not measured.
        varies: Whether the layer's pre-activations differ between samples at all. Where
            they do not, a unit that is off is off for one input only.
        is_exact: Whether nearly every step was looked at, not only the sampled ones.
    """

    layer: Layer
    since: NDArray[np.int64]
    samples: NDArray[np.float64]
    rate: NDArray[np.float64]
    longest: NDArray[np.float64]
    ever: NDArray[np.bool_]
    depth: NDArray[np.float64]
    varies: bool
    is_exact: bool

    def dead(
        self, *, min_samples: float, born: float, expected: float, times: float
    ) -> NDArray[np.bool_]:
        """Which silences no living unit would keep.

        Args:
            min_samples: Silent samples that a unit needs that was alive once.
            born: Silent samples that a unit needs that never showed life.
            expected: How often it should have fired since, at its earlier rate.
            times: How many times its own longest silence this one must last.
        """
        rate = np.where(np.isfinite(self.rate), self.rate, 0.0)
        died = (
            self.ever
            & (self.samples >= min_samples)
            & (self.samples * rate >= expected)
            & (self.samples >= times * self.longest)
        )
        return np.asarray(died | (~self.ever & (self.samples >= born)))


def hidden(trace: Trace) -> list[Layer]:
    """Layers below the head whose units can fall silent for good."""
    return [x for x in trace.setup.layers if x.activation in CAN_DIE and not x.is_head]


def heads(trace: Trace) -> list[Layer]:
    """Heads whose units can fall silent for good."""
    return [x for x in trace.setup.layers if x.activation in CAN_DIE and x.is_head]


def silent(trace: Trace, layer: Layer) -> Silent | None:
    """Read the silence of a layer's units; None where it was never sampled."""
    at, rates = _by_step(*trace.units(FIRING_RATE, layer.site))
    if not rates.size or trace.last_step < 0:
        return None
    batch = _samples_a_step(trace)
    fired = ~(rates == 0)  # nan is not silence
    life = np.where(fired, at[:, None], -1).max(axis=0)
    reached_at, reached = _by_step(*trace.units(GRAD_REACHED, layer.site))
    is_exact = reached.shape[1] == rates.shape[1] and len(reached_at) > 0
    if is_exact and _is_unheard(at, fired, reached_at, reached):
        is_exact = False
    if is_exact:
        heard = _heard(trace, layer, reached_at, reached)
        life = np.maximum(life, heard)
        rows, covered = reached_at, _covered(trace, reached_at) * batch
        spoke = ~(reached == 0)
        spoke[np.isin(reached_at, at)] |= fired[np.isin(at, reached_at)]
        is_exact = covered.sum() >= 0.9 * batch * (reached_at[-1] - reached_at[0])
    else:
        rows, covered, spoke = at, np.full(len(at), batch), fired
    counted = census(trace, layer)
    if counted is not None and counted.fired.shape == life.shape:
        life = np.where(counted.fired > 0, np.maximum(life, 0), life)
    # a reading stands for some of the steps since the one before; those after the last
    # sign of life may be just the ones that were not looked at
    looked = (covered / batch)[:, None]
    before = np.concatenate([rows[:1] - 1, rows[:-1]])[:, None]
    gone = np.clip(rows[:, None] - life, 0, looked)
    gone = np.clip(looked - np.maximum(0, life - before), 0, gone)
    samples = batch * gone.sum(axis=0)
    alive = at[:, None] <= life
    total = np.where(alive & np.isfinite(rates), rates, 0.0).sum(axis=0)
    rate = np.where(life >= 0, total / np.maximum(1, alive.sum(axis=0)), np.nan)
    if counted is not None and counted.fired.shape == life.shape:
        rate = np.where(rate > 0, rate, np.where(life >= 0, counted.fired, np.nan))
        samples = samples + np.where(life < 0, counted.samples, 0.0)
    counted = last_census(trace, layer)
    if counted is not None and counted.fired.shape == life.shape:
        life = np.where(counted.fired > 0, trace.last_step, life)
        samples = np.where(counted.fired > 0, 0.0, samples + counted.samples)
    past = silences(spoke, covered)
    return Silent(
        layer,
        (life + 1).astype(np.int64),
        samples.astype(np.float64),
        rate,
        past.longest.astype(np.float64),
        life >= 0,
        _depth(trace, layer, life),
        _varies(trace, layer),
        is_exact,
    )


class Census(NamedTuple):
    """What a layer's units did on a pass over the data, at weights that stood still.

    Attributes:
        fired: Shape `(units,)`: share of samples on which the unit fired somewhere.
        samples: How many there were.
        is_whole: Whether these were all the data.
    """

    fired: NDArray[np.float64]
    samples: float
    is_whole: bool


def census(trace: Trace, layer: Layer) -> Census | None:
    """Read the census of a layer before the first step; None if a check took none."""
    return _census(trace, layer, is_last=False)


def last_census(trace: Trace, layer: Layer) -> Census | None:
    """Read the census of a layer when the training had ended; None if none was."""
    return _census(trace, layer, is_last=True)


def _census(trace: Trace, layer: Layer, *, is_last: bool) -> Census | None:
    steps, fired = trace.units(CENSUS_FIRED, layer.site.partition("#")[0])
    samples, whole = trace.series(CENSUS_SAMPLES), trace.series(CENSUS_WHOLE)
    keep = steps > 0 if is_last else steps == 0
    counts = samples.values[samples.steps > 0 if is_last else samples.steps == 0]
    wholes = whole.values[whole.steps > 0 if is_last else whole.steps == 0]
    rows = fired[keep]
    if not rows.size or not counts.size or not np.isfinite(rows[-1]).all():
        return None
    is_whole = bool(wholes.size and wholes[-1] == 1)
    return Census(rows[-1], float(counts[-1]), is_whole)


def _heard(
    trace: Trace,
    layer: Layer,
    reached_at: NDArray[np.int64],
    reached: NDArray[np.float64],
) -> NDArray[np.int64]:
    """The last step in which each unit got a gradient; -1 if in none."""
    life = np.where(~(reached == 0), reached_at[:, None], -1).max(axis=0)
    _, exact = trace.units(LAST_REACHED, layer.site)
    if exact.shape[1:] != life.shape or not np.isfinite(exact).all():
        return np.asarray(life)
    # the step itself, where the reading only says: since the one before
    return np.asarray(np.where(life >= 0, exact.max(axis=0).astype(np.int64), -1))


def _depth(trace: Trace, layer: Layer, life: NDArray[np.int64]) -> NDArray[np.float64]:
    at, top = _by_step(*trace.units(PREACT_MAX, layer.site))
    scale = log_median(trace.series(PREACT_RMS, layer.site).values)
    if top.shape[1:] != life.shape or not np.isfinite(scale):
        return np.full(life.shape, np.nan)
    since = (at[:, None] > life) & np.isfinite(top)
    highest = np.where(since, top, -np.inf).max(axis=0)
    return np.where(np.isfinite(highest), -highest / 10.0**scale, np.nan)


def _is_unheard(
    at: NDArray[np.int64],
    fired: NDArray[np.bool_],
    reached_at: NDArray[np.int64],
    reached: NDArray[np.float64],
) -> bool:
    """Whether the layer fires and gets no gradient: then none is no sign of silence.

    So it is below a dead output, or where the gradient has vanished.
    """
    both, i, j = np.intersect1d(at, reached_at, return_indices=True)
    rows = np.flatnonzero(fired[i].any(axis=1)) if both.size else np.zeros(0, int)
    return bool(rows.size and not (reached[j[rows[-1]]] != 0).any())


def _varies(trace: Trace, layer: Layer) -> bool:
    values = trace.series(PREACT_VARIATION, layer.site).values
    values = values[np.isfinite(values)]
    return not values.size or float(np.median(values)) > 1e-6


def _by_step(
    at: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One row a step: the mean, where a layer ran several times in one step."""
    steps, first, count = np.unique(at, return_index=True, return_counts=True)
    if not len(steps) or (count == 1).all():
        return at, values
    return steps, np.add.reduceat(values, first, axis=0) / count[:, None]


def _covered(trace: Trace, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many steps each reading of the bias gradients stands for."""
    steps, counts = trace.series(REACH_STEPS)
    said = {s: int(c) for s, c in zip(steps.tolist(), counts, strict=True) if c >= 0}
    gaps = np.diff(at, prepend=at[:1] - 1)
    return np.array(
        [said.get(s, int(g)) for s, g in zip(at.tolist(), gaps, strict=True)],
        np.float64,
    )


def _samples_a_step(trace: Trace) -> float:
    seen = trace.series(BATCH_SAMPLES).values
    seen = seen[np.isfinite(seen) & (seen > 0)]
    return float(np.median(seen)) if seen.size else float(trace.setup.batch_size or 1)
