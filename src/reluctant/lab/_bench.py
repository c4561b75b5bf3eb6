"""Trains arms from the seeds that are asked for, on all cores, each training once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reluctant.changes import DoesNotFit, NothingToDo, apply
from reluctant.lab._advance import Fused, fused_plan, in_torch
from reluctant.lab._cells import in_one_line
from reluctant.lab._course import Course, Done, failed, run_courses
from reluctant.lab._map_train import hard_ground
from reluctant.lab._pool import processors, run_all
from reluctant.lab._recipe import Recipe, Training
from reluctant.lab._starts import Starts, context_of
from reluctant.lab.engines import UnsupportedError
from reluctant.records import (
    RESTART,
    UNTREATED,
    Change,
    Prescription,
    SwapLoss,
    UsageError,
)

_ATTEMPTS = 4  # seeds at which an arm is begun before it is given up
_LOT = 64 << 20  # bytes of data that the trainings of one call may hold


@dataclass(frozen=True)
class Rival:
    """An arm before it is tried.

    Attributes:
        name: Of the arm.
        prescriptions: In order; none for the two arms without.
    """

    name: str
    prescriptions: tuple[Prescription, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of them, in order."""
        return tuple(c for p in self.prescriptions for c in p.changes)


UNTREATED_RIVAL, RESTART_RIVAL = Rival(UNTREATED), Rival(RESTART)


class OutOfTime(RuntimeError):
    """The budget is used up."""


class Bench:
    """Trains arms.

    Args:
        source: A recipe, or a training that is forked and never changed.
        steps: Of a training.
        after: Steps before the state that pairs share.
        workers: Processes, or threads; all cores if None.
        deadline: Of `time.monotonic`; None for none.
        most_steps: Optimizer steps in all, cost counted; None for any.
        on_progress: Given how many trainings are done.

    Attributes:
        judged_by: The loss by which all arms are scored, where their own is at fault.
    """

    def __init__(
        self,
        source: Recipe | Training,
        *,
        steps: int,
        after: int = 0,
        workers: int | None = None,
        deadline: float | None = None,
        most_steps: float | None = None,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        self.starts, self.steps = Starts(source, after), steps
        self.after = after
        self.judged_by: SwapLoss | None = None
        self.workers = processors() if workers is None else max(1, workers)
        self._deadline, self._most_steps = deadline, most_steps
        self._on_progress = on_progress
        self._done: dict[tuple[str, int], Done] = {}
        self._engines: dict[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._is_fused: bool | None = None
        self.spent = 0.0  # steps
        self.seconds = 0.0  # of wall time in training

    def limit(self, deadline: float | None, most_steps: float | None) -> None:
        """Set the budget anew."""
        self._deadline, self._most_steps = deadline, most_steps

    def run(self, rivals: Sequence[Rival], seeds: Sequence[int]) -> None:
        """Train what has not been trained yet.

        Raises:
            OutOfTime: If the budget ends before all is done; what is done is kept.
        """
        begun = time.monotonic()
        try:
            fused, tasks = [], []
            for rival in rivals:
                if rival.name in self._refusals:
                    continue
                missing = [s for s in seeds if (rival.name, s) not in self._done]
                if not missing or not self._fits(rival, missing):
                    continue
                if self._engines[rival.name] == "fused":
                    fused.append((rival, missing))
                else:
                    tasks += [(rival, seed) for seed in missing]
            for rival, missing in fused:
                if not self._in_lots(rival, missing):
                    tasks += [(rival, seed) for seed in missing]
            self._in_processes(tasks)
        finally:
            self.seconds += time.monotonic() - begun

    def possible(self, rivals: Sequence[Rival], seeds: Sequence[int]) -> list[Rival]:
        """Those whose changes can be made; why others cannot is kept."""
        return [
            rival
            for rival in rivals
            if rival.name not in self._refusals and self._fits(rival, list(seeds))
        ]

    def is_comparable(self, rival: Rival) -> bool:
        """Whether its loss at the end can be compared with those of others."""
        swaps = any(isinstance(change, SwapLoss) for change in rival.changes)
        return self.judged_by is not None or not swaps

    def done(self, rival: Rival, seeds: Sequence[int]) -> list[Done]:
        """What came of an arm at those of the seeds that were trained."""
        found = [self._done.get((rival.name, seed)) for seed in seeds]
        return [done for done in found if done is not None]

    def refusal(self, rival: Rival) -> str:
        """Why an arm could not be tried; empty if it could."""
        return self._refusals.get(rival.name, "")

    def engine(self, rival: Rival) -> str:
        """What trains an arm."""
        return self._engines.get(rival.name, "")

    # --- inside

    def _fits(self, rival: Rival, seeds: Sequence[int]) -> bool:
        """Whether the arm can be tried at all, and by what."""
        if rival.name in self._engines:
            return True
        for seed in seeds[:_ATTEMPTS]:
            try:
                is_fused = self._is_fused_from(rival, seed)
            except NothingToDo as reason:
                self._refusals[rival.name] = str(reason)
                continue
            except DoesNotFit as reason:
                self._refusals[rival.name] = str(reason)
                return False
            # a seed, or a model, that breaks costs itself alone, whatever it raises
            except (Exception, SystemExit) as error:
                self._refusals[rival.name] = in_one_line(error)
                continue
            self._refusals.pop(rival.name, None)
            self._engines[rival.name] = "fused" if is_fused else "torch"
            return True
        return False

    def _is_fused_from(self, rival: Rival, seed: int) -> bool:
        restarts = rival.name == RESTART
        with hard_ground():
            start = self.starts.fresh(seed) if restarts else self.starts.make(seed)
            if self._is_fused is None:
                self._is_fused = _is_plain(
                    start if not restarts else self.starts.make(seed)
                )
            course = Course.of(rival.changes)
            context = context_of(start, steps=self.steps, seed=seed)
            apply((*course.early, *course.schedules), start, context)
            return self._is_fused and _is_plain(start)

    def _in_lots(self, rival: Rival, seeds: list[int]) -> bool:
        """Train plain networks together, some at a time; False if they are not."""
        lot = self._lot(rival, seeds[0])
        for first in range(0, len(seeds), lot):
            some = seeds[first : first + lot]
            self._must_have_time()
            with hard_ground():
                try:
                    done = self._courses(rival, some, Fused(self.workers))
                except DoesNotFit as reason:
                    self._refusals[rival.name] = str(reason)
                    break
                except UnsupportedError:
                    self._engines[rival.name] = "torch"
                    return False
            for seed, one in zip(some, done, strict=True):
                self._keep(rival, seed, one)
        return True

    def _lot(self, rival: Rival, seed: int) -> int:
        """How many seeds at a time: those that draw data of their own hold them."""
        course = Course.of(rival.changes)
        each = course.select.starts if course.select else 1
        one = context_of(self.starts.make(seed), steps=1, seed=seed)
        held = int(sum(x.nbytes for x, _ in one.batches)) * each
        return max(1, min(64, _LOT // max(1, held)))

    def _in_processes(self, jobs: list[tuple[Rival, int]]) -> None:
        # pairs are finished together: a budget that ends leaves few halves
        jobs.sort(key=lambda job: job[1])
        tasks = [partial(self._one, rival, seed) for rival, seed in jobs]
        got = 0
        for position, answer in run_all(
            tasks, workers=self.workers, deadline=self._deadline
        ):
            rival, seed = jobs[position]
            got += 1
            if isinstance(answer, DoesNotFit):
                self._refusals[rival.name] = str(answer)
            elif isinstance(answer, BaseException):
                self._keep(rival, seed, failed(seed, answer))
            else:
                self._keep(rival, seed, answer)
            if self._is_spent():
                break
        if got < len(jobs):
            raise OutOfTime

    def _one(self, rival: Rival, seed: int) -> Done:
        (done,) = self._courses(rival, [seed], in_torch)
        return done

    def _courses(self, rival: Rival, seeds: list[int], advance: object) -> list[Done]:
        return run_courses(
            self.starts,
            rival.changes,
            advance,  # type: ignore[arg-type]
            steps=self.steps,
            seeds=seeds,
            restarts=rival.name == RESTART,
            fused_order=bool(self._is_fused),
            judged_by=self.judged_by,
        )

    def _keep(self, rival: Rival, seed: int, done: Done) -> None:
        self._done[rival.name, seed] = done
        self.spent += done.cost * self.steps
        self._on_progress(len(self._done))

    def _is_spent(self) -> bool:
        return self._most_steps is not None and self.spent >= self._most_steps

    def _must_have_time(self) -> None:
        late = self._deadline is not None and time.monotonic() > self._deadline
        if late or self._is_spent():
            raise OutOfTime


def _is_plain(training: Training) -> bool:
    try:
        fused_plan(training)
    except UnsupportedError:
        return False
    return True


def must_afford_a_pair(
    bench: Bench, *, seconds: float | None, most_steps: float | None
) -> None:
    """Refuse a budget that does not reach for one untreated and one treated training.

    Raises:
        UsageError: With what a pair takes.
    """
    if most_steps is not None and most_steps < 2 * bench.steps:
        raise UsageError(
            f"a budget of {most_steps:,.0f} steps is too small: one pair of trainings "
            f"takes {2 * bench.steps:,}. Give more, or fewer steps a training."
        )
    if seconds is None:
        return
    training = bench.starts.make(0)
    if _is_plain(training):
        return  # some microseconds a step
    probe = min(20, bench.steps)
    with hard_ground():
        training.step(min(3, bench.steps))
        begun = time.monotonic()
        training.step(probe)
        pair = 2 * bench.steps * (time.monotonic() - begun) / probe
    if pair > seconds * max(1, bench.workers):
        raise UsageError(
            f"a budget of {seconds:g} seconds is too small: a pair of trainings takes "
            f"about {pair:.3g}. Give more, or fewer steps a training."
        )
