"""When to look, so that looking stays within its budget."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Time taken by our own code under-counts what it costs (caches evicted, allocations
# moved), by a factor of two to three where it was measured from outside.
_UNDERCOUNT = 0.4
_LIGHT_SHARE = 0.5  # of the budget is for what is done at every step
_START_UP_S = 0.3  # granted at once, so that a short run is seen at all,
_EARLY_S, _EARLY_RATE = 20.0, 0.03  # and as a share of the first seconds,
_EARLY_STEP_S = 20e-6  # in which every step may cost this much, however short it is
_LONGEST_GAP = 250  # steps between two sampled ones, where the budget allows
_GROWTH = 1.12  # early gaps between sampled steps grow by this
_OVERDUE = 1.5  # a step that far beyond the last sampled one is sampled at any cost
# time of this thread, not of the wall: a busy machine must not make us look expensive
clock = time.thread_time


class Governor:
    """Decides which steps are looked at, and which are sampled in depth.

    Steps 0 to 3 are sampled, then steps ever further apart up to every 250th; but only
    while the time spent on that stays under a start-up allowance plus the budget, or
    where the last sampled step is so far back that the run would go unseen (which
    happens ever more rarely, as steps go by). Every other step gets a light look,
    thinned out where steps are so short that even that would cost too much.

    Args:
        budget: Share of the training's time that watching may take; with 1 time does
            not matter, and when to look depends on the step alone.
        thorough: Whether every step is sampled, whatever it costs.
    """

    def __init__(self, budget: float, *, thorough: bool = False) -> None:
        self.budget = budget
        self._thorough = thorough
        self._light_s = self._deep_s = self._other_s = 0.0
        self._light = self._deep = self._steps = 0
        self._began = time.perf_counter()
        self._next_deep = self._last_deep = 0
        self._stride = 1
        self._depth = 0

    @contextmanager
    def timed(self, *, deep: bool) -> Iterator[None]:
        """Charge what is done inside; nested uses are charged once."""
        if self._depth:
            yield
            return
        self._depth = 1
        start = clock()
        try:
            yield
        finally:
            self._depth = 0
            self.charge(clock() - start, deep=deep)

    def charge(self, seconds: float, *, deep: bool | None = None) -> None:
        """Book time that watching took, in depth, lightly, or for something else."""
        if deep:
            self._deep_s += seconds
        elif deep is None:
            self._other_s += seconds
        else:
            self._light_s += seconds

    def next_step(self, step: int) -> tuple[bool, bool]:
        """Whether to look at `step` at all, and whether in depth."""
        self._steps += 1
        if self._thorough:
            self._deep += 1
            return True, True
        is_overdue = step >= _OVERDUE * self._last_deep
        if step >= self._next_deep and (is_overdue or self.affords(self._per_deep())):
            self._last_deep = step
            gap = min(max(1, int(step * (_GROWTH - 1))), _LONGEST_GAP)
            self._next_deep = step + (gap if step > 3 else 1)
            self._deep += 1
            return True, True
        if self._steps % 64 == 0:
            self._set_stride()
        light = step % self._stride == 0
        self._light += light
        return light, False

    def affords(self, seconds: float) -> bool:
        """Whether something of this length may be done now, besides light looks."""
        return self._deep_s + self._other_s + seconds <= self.allowance_s

    @property
    def allowance_s(self) -> float:
        """Seconds that may have gone into sampling by now."""
        if self._thorough or self.budget >= 1:
            return math.inf
        elapsed = self.elapsed_s
        early = _START_UP_S + _EARLY_RATE * min(elapsed, _EARLY_S)
        share = (1 - _LIGHT_SHARE) * _UNDERCOUNT * self.budget
        return early + share * elapsed

    @property
    def elapsed_s(self) -> float:
        """Seconds since watching began."""
        return time.perf_counter() - self._began

    @property
    def spent_s(self) -> float:
        """Seconds that watching took so far, by its own clock."""
        return self._light_s + self._deep_s + self._other_s

    @property
    def step_s(self) -> float:
        """Seconds a step took on average, without watching; 0 before the first."""
        if not self._steps:
            return 0.0
        return max(self.elapsed_s - self.spent_s, 0.0) / self._steps

    def report(self) -> str:
        """What watching cost, in one clause."""
        elapsed = self.elapsed_s
        return (
            f"watching took {self.spent_s:.2f} s of {elapsed:.1f} s, "
            f"{self.spent_s - self._light_s:.2f} s of it to sample {self._deep} of "
            f"{max(self._steps - 1, 0)} steps in depth"
        )

    def _per_deep(self) -> float:
        return self._deep_s / self._deep if self._deep else 0.0

    def _set_stride(self) -> None:
        """Thin the light looks out where they cost more than their share."""
        if not self._light or self.budget >= 1:
            return
        allowed = _LIGHT_SHARE * _UNDERCOUNT * self.budget * self.step_s
        if self.elapsed_s < _EARLY_S:
            allowed = max(allowed, _EARLY_STEP_S)
        self._stride = max(1, round(self._light_s / self._light / max(allowed, 1e-9)))
