"""Which units of a layer have fallen silent, since when, and how surely."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.records import Layer, Trace
from reluctant.records.quantities import (
    BATCH_SAMPLES,
    FIRING_RATE,
    GRAD_REACHED,
    REACH_STEPS,
)
from reluctant.stats import silences

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
        is_exact: Whether nearly every step was looked at, not only the sampled ones.
    """

    layer: Layer
    since: NDArray[np.int64]
    samples: NDArray[np.float64]
    rate: NDArray[np.float64]
    longest: NDArray[np.float64]
    ever: NDArray[np.bool_]
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
    at, rates = trace.units(FIRING_RATE, layer.site)
    if not rates.size or trace.last_step < 0:
        return None
    batch = _samples_a_step(trace)
    fired = ~(rates == 0)  # nan is not silence
    reached_at, reached = trace.units(GRAD_REACHED, layer.site)
    life = np.where(fired, at[:, None], -1).max(axis=0)
    looked_at = reached.shape[1] == rates.shape[1] and len(reached_at) > 0
    is_exact = looked_at
    if looked_at:
        heard = np.where(~(reached == 0), reached_at[:, None], -1).max(axis=0)
        life = np.maximum(life, heard)
        covered = _covered(trace, reached_at)
        is_exact = covered.sum() >= 0.9 * (reached_at[-1] - reached_at[0])
        after = reached_at[:, None] > life
        samples = np.where(after, covered[:, None], 0).sum(axis=0) * batch
        spoke, widths = reached.copy(), covered * batch
        spoke[np.isin(reached_at, at)] += fired[np.isin(at, reached_at)]
    else:
        after = at[:, None] > life
        samples = after.sum(axis=0) * batch
        spoke, widths = fired.astype(np.float64), np.full(len(at), batch)
    alive = at[:, None] <= life
    with np.errstate(all="ignore"):
        total = np.where(alive & np.isfinite(rates), rates, 0.0).sum(axis=0)
        rate = np.where(life >= 0, total / alive.sum(axis=0), np.nan)
    past = silences(spoke, widths)
    return Silent(
        layer,
        (life + 1).astype(np.int64),
        samples.astype(np.float64),
        rate,
        past.longest.astype(np.float64),
        life >= 0,
        is_exact,
    )


def _covered(trace: Trace, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many steps each reading of the bias gradients stands for."""
    steps, counts = trace.series(REACH_STEPS)
    said = {s: int(c) for s, c in zip(steps.tolist(), counts, strict=True) if c >= 0}
    gaps = np.diff(at, prepend=at[:1] - 1)
    return np.array(
        [said.get(s, int(g)) for s, g in zip(at.tolist(), gaps, strict=True)], np.int64
    )


def _samples_a_step(trace: Trace) -> float:
    seen = trace.series(BATCH_SAMPLES).values
    seen = seen[np.isfinite(seen) & (seen > 0)]
    return float(np.median(seen)) if seen.size else float(trace.setup.batch_size or 1)
