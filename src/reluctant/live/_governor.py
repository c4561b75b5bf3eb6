"""When to look, so that looking stays within its budget."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Time taken by our own code under-counts what it costs (caches evicted, allocations
# moved), by a factor of two to three where it was measured from outside.
_UNDERCOUNT = 0.4
_LIGHT_SHARE = 0.5  # of the budget for what is done at every step
_LONGEST_GAP = 250  # steps between two sampled ones, where the budget allows
_GROWTH = 1.12  # early gaps between sampled steps grow by this
_OVERDUE = 1.5  # a step that far beyond the last sampled one is sampled at any cost
# time of this thread, not of the wall: a busy machine must not make us look expensive
clock = time.thread_time


class Governor:
    """Decides which steps are looked at, and which are sampled in depth.

    Steps 0 to 3 are sampled, then steps ever further apart up to every 250th; but only
    while the time spent on looking stays under `start_up_s` plus `budget` times the
    time that the training took, or where the last sampled step is so far back that the
    run would go unseen (which happens ever more rarely, as steps go by). Every other
    step gets a light look, thinned out where steps are so short that even that would
    cost too much.

    Args:
        budget: Share of the training's time that watching may take.
        start_up_s: Seconds granted at the start, so that a short run is seen at all.
    """

    def __init__(self, budget: float, *, start_up_s: float = 0.5) -> None:
        self.budget = budget
        self._start_up_s = start_up_s
        self._spent_s = self._light_s = self._deep_s = 0.0
        self._deep = self._light = self._steps = 0
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
        self._spent_s += seconds
        if deep:
            self._deep_s += seconds
        elif deep is not None:
            self._light_s += seconds

    def next_step(self, step: int) -> tuple[bool, bool]:
        """Whether to look at `step` at all, and whether in depth."""
        self._steps += 1
        is_overdue = step >= _OVERDUE * self._last_deep
        if step >= self._next_deep and (is_overdue or self._affords(self._per_deep())):
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
        """Whether something of this length may be done now."""
        return self._affords(seconds)

    @property
    def spent_s(self) -> float:
        """Seconds that watching took so far, by its own clock."""
        return self._spent_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since watching began."""
        return time.perf_counter() - self._began

    @property
    def step_s(self) -> float:
        """Seconds a step took on average, without watching; 0 before the first."""
        if not self._steps:
            return 0.0
        return max(self.elapsed_s - self._spent_s, 0.0) / self._steps

    def report(self) -> str:
        """What watching cost, in one clause."""
        start_up = min(self._spent_s, self._start_up_s)
        share = (self._spent_s - start_up) / max(self.elapsed_s - self._spent_s, 1e-9)
        return (
            f"watching took {start_up:.2f} s to start with and {share:.1%} of the "
            f"{self.elapsed_s:.1f} s; {self._deep} of {max(self._steps - 1, 0)} steps "
            f"were sampled in depth"
        )

    def _per_deep(self) -> float:
        return self._deep_s / self._deep if self._deep else 0.0

    def _affords(self, seconds: float) -> bool:
        allowed = self._start_up_s + _UNDERCOUNT * self.budget * self.elapsed_s
        return self._spent_s + seconds <= allowed

    def _set_stride(self) -> None:
        """Thin the light looks out once the start-up allowance is used."""
        if self._spent_s < self._start_up_s or not self._light:
            return
        allowed = _LIGHT_SHARE * _UNDERCOUNT * self.budget * max(self.step_s, 1e-9)
        self._stride = max(1, round(self._light_s / self._light / allowed))
