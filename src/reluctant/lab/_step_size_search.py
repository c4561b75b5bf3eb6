"""Where trainings begin to fail, told by short ones that close in on it.

No law of curvature is asked for: what fails, and why, is left to the trainings.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reluctant.lab._cells import Attempt
from reluctant.lab._judge import LEAST, Criterion, Judge
from reluctant.lab._step_size_limit import StepSizeLimit

SHORTER = 4  # times, a scout than a probe
STRIDE = 4.0  # between scouts that look for the boundary
CLOSE = 1.5  # between the last two scouts
SCOUTS = 16  # of one length, at most
SCOUT_GAP = 0.3  # a scout fails where so much of the best gain is missing
PROBES = 5  # besides one below, which says what can be gained; at least
MORE = 12  # at most: where seeds differ
ENOUGH = 0.06  # error of the logarithm of the limit at which no more are asked for
BELOW = 3.0  # times below the boundary as scouts tell it, at most the best scout's rate
STEP = 1.2  # between probes until one learned and one failed
ASIDE = 1.1  # of the limit as known so far: where the next probe goes
SMALL = 0.003  # gaps below are alike
FASTEST = 0.1  # of a gap is left at least, however fast it fell
FAR = math.log(5.0)  # from the gap that is allowed: beyond, gaps tell no more
SLOPES = np.arange(2.0, 16.0)  # of the gap over the rate, in logarithms
LAW = 0.2  # of the log of the limit: how far the search was off, measured

Floats: TypeAlias = NDArray[np.float64]
Probe: TypeAlias = Callable[[float, int, int], tuple[Attempt, Attempt]]


def search(
    probe: Probe,
    *,
    start: float,
    steps: int,
    gap: float,
    progress: Callable[[str], None] = lambda line: None,
) -> StepSizeLimit:
    """Close in on the boundary with scouts, then with probes.

    The gap of a training is the share of the best gain that it misses. A probe is a
    quarter of a training; that its gap falls once more as it did from the quarter
    before its half to its second half is what is expected of the rest. The limit is
    where the expected gap, a power of the rate, crosses what is allowed.

    Args:
        probe: Trains at a rate, as the so-manieth (another seed each), for so many
            steps. What it was in its second quarter, and in its second half.
        start: Where to begin.
        steps: Of a probe.
        gap: That a whole training may have.
        progress: Given a line after each training.
    """
    found = _Search(probe, steps, gap, progress)
    try:
        best, near = found.scout(start)
        found.close_in(best, near)
        value, slope, spread = found.limit()
    except _NoBoundaryError as error:
        value, slope, spread, reason = math.nan, math.nan, math.nan, str(error)
    else:
        reason = ""
    rates, gaps = found.expected()
    order = np.argsort(rates, kind="stable")
    width = 1.96 * math.hypot(LAW, spread)
    return StepSizeLimit(
        method="probe",
        value=value,
        interval=(value * math.exp(-width), value * math.exp(width)),
        rates=tuple(rates[order].tolist()),
        gaps=tuple(gaps[order].tolist()),
        allowed=gap,
        exponent=slope,
        reason=reason,
        steps=found.steps,
    )


class _NoBoundaryError(Exception):
    """Says why the search ended without one."""


class _Search:
    """What was tried so far, by length: rate and turn to what came of it."""

    def __init__(
        self, probe: Probe, steps: int, gap: float, progress: Callable[[str], None]
    ) -> None:
        self._probe, self._full, self._gap = probe, steps, gap
        self._progress = progress
        self._tried: dict[int, dict[tuple[float, int], tuple[Attempt, Attempt]]] = {}
        self.steps = 0

    def scout(self, start: float) -> tuple[float, float]:
        """The best rate, and one about where the boundary is.

        Raises:
            _NoBoundaryError: If no rate learns, or none fails.
        """
        for steps in (max(4, self._full // SHORTER), self._full):
            rate: float | None = start
            while rate is not None and len(self._of(steps)) < SCOUTS:
                self._train(rate, 0, steps)
                rate = self._next_scout(steps)
            if rate is None:
                best, low, high = self._bracket(steps)
                return best, math.sqrt(low * high)
        gains = self._late(self._full)
        what = "failed" if max(gains.values()) >= LEAST else "learned"
        raise _NoBoundaryError(
            f"no training of {self._full} steps {what} at learning rates from "
            f"{min(gains):.3g} to {max(gains):.3g}"
        )

    def close_in(self, best: float, near: float) -> None:
        """Train probes, each with another seed, about where the limit is.

        Raises:
            _NoBoundaryError: If none learns, or there is no limit between them.
        """
        best = min(best, near / BELOW)
        self._train(best, 0, self._full)
        rate, asked = near, []
        for turn in range(1, MORE + 1):
            self._train(rate, turn, self._full)
            asked.append(rate)
            rates, gaps = self.expected()
            if not len(rates):
                raise _NoBoundaryError(
                    f"no probe of {self._full} steps gained {LEAST:.0%} over the best "
                    "constant predictor"
                )
            good = rates[gaps <= self._gap]
            if len(good) == len(rates):
                rate = float(rates.max()) * STEP
            elif not (good > best).any() and min(asked) > best * STEP:
                rate = min(asked) / STEP
            else:
                middle, _, spread = self.limit()
                if turn >= PROBES and spread <= ENOUGH:
                    return
                rate = middle * (ASIDE if turn % 2 else 1 / ASIDE)

    def limit(self) -> tuple[float, float, float]:
        """The limit, the exponent of the gap there, and the error of its logarithm.

        Raises:
            _NoBoundaryError: If the probes do not enclose it.
        """
        rates, gaps = self.expected()
        for failed, what in ((gaps > self._gap, "failed"), (gaps <= self._gap, "kept")):
            if not failed.any():
                raise _NoBoundaryError(
                    f"no probe at learning rates from {rates.min():.3g} to "
                    f"{rates.max():.3g} {what}"
                    + (f" within a gap of {self._gap:g}" if what == "kept" else "")
                )
        value, slope = _crossing(rates, gaps / self._gap)
        without = [
            math.log(_crossing(np.delete(rates, k), np.delete(gaps, k) / self._gap)[0])
            for k in range(len(rates))
        ]
        # the jackknife's variance: of the mean of n, (n − 1)/n times the sum of squares
        spread = float(np.std(without)) * math.sqrt(len(without) - 1)
        return value, slope, spread

    def expected(self) -> tuple[Floats, Floats]:
        """Rates of the probes, and the gap expected at the end of a whole training.

        None where no probe learned.
        """
        gains = self._gains(self._full)
        best = max((late for _, late in gains.values()), default=0.0)
        if best < LEAST:
            return np.zeros(0), np.zeros(0)
        early, late = (
            np.maximum(SMALL, 1 - np.array([pair[k] for pair in gains.values()]) / best)
            for k in (0, 1)
        )
        left = np.clip(late / early, FASTEST, 1.0)
        return np.array([rate for rate, _ in gains]), late * left

    # --- inside

    def _of(self, steps: int) -> dict[tuple[float, int], tuple[Attempt, Attempt]]:
        return self._tried.setdefault(steps, {})

    def _train(self, rate: float, turn: int, steps: int) -> None:
        self._of(steps)[rate, turn] = self._probe(rate, turn, steps)
        self.steps += steps
        gain = self._gains(steps)[rate, turn][1]
        self._progress(f"gain {gain:.2f} at learning rate {rate:.3g}, {steps} steps")

    def _gains(self, steps: int) -> dict[tuple[float, int], tuple[float, float]]:
        """Of both parts, from the best constant predictor (0) to perfection (1)."""
        tried = self._of(steps)
        everything = [part for parts in tried.values() for part in parts]
        judge = Judge(Criterion("gap", self._gap), everything)

        def gain(attempt: Attempt) -> float:
            found = judge.gain(attempt)
            return found if math.isfinite(found) else -1.0

        return {at: (gain(early), gain(late)) for at, (early, late) in tried.items()}

    def _late(self, steps: int) -> dict[float, float]:
        return {rate: late for (rate, _), (_, late) in self._gains(steps).items()}

    def _next_scout(self, steps: int) -> float | None:
        gains = self._late(steps)
        lowest, highest = min(gains), max(gains)
        if max(gains.values()) < LEAST:  # too small a rate, or too large?
            over = self._of(steps)[highest, 0][1].stop == "nonfinite"
            return lowest / STRIDE if over or len(gains) % 2 == 0 else highest * STRIDE
        best, low, high = self._bracket(steps)
        if best == lowest:
            return lowest / STRIDE
        if math.isinf(high):
            return highest * STRIDE
        return None if high <= low * CLOSE else math.sqrt(low * high)

    def _bracket(self, steps: int) -> tuple[float, float, float]:
        """The best rate, the highest that learns, the lowest above it that fails."""
        gains = self._late(steps)
        best = max(gains, key=lambda rate: gains[rate])
        floor = (1 - SCOUT_GAP) * gains[best]
        failed = (r for r in gains if r > best and gains[r] < floor)
        high = min(failed, default=math.inf)
        low = max(r for r in gains if r < high and gains[r] >= floor)
        return best, low, high


def _crossing(rates: Floats, excess: Floats) -> tuple[float, float]:
    """Where excess = (rate/limit)^slope is 1, and the slope.

    By least squares on logarithms, both sides clipped: how large a large gap is says
    nothing of where gaps begin.
    """
    x, y = np.log(rates), np.clip(np.log(excess), -FAR, FAR)
    at = np.linspace(x.min() - 0.2, x.max() + 0.2, 400)
    lines = np.clip(SLOPES[:, None, None] * (x - at[:, None]), -FAR, FAR)
    errors = ((lines - y) ** 2).sum(axis=2)
    steepness = int(errors.min(axis=1).argmin())
    best = errors[steepness] <= errors.min() + 1e-9
    return float(np.exp(at[best].mean())), float(SLOPES[steepness])
