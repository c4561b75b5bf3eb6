"""The trainings of an arm: make its changes, train them through, score them."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from reluctant.changes import DoesNotFit, NothingToDo, RateSchedule, apply, step_hooks
from reluctant.lab._advance import Advance, Progress, in_torch
from reluctant.lab._cells import Attempt, Cell, Stop, in_one_line, trend_of
from reluctant.lab._map_score import Scorer
from reluctant.lab._recipe import Training
from reluctant.lab._starts import FRESH, Starts, context_of, in_fused_order
from reluctant.records import (
    Change,
    DecayLearningRate,
    Prune,
    RestartSelected,
    SwapLoss,
    WarmUp,
)


@dataclass(frozen=True)
class Course:
    """Changes in the order of a training.

    Attributes:
        select: Whether the start is chosen among many.
        early: Made at the start.
        schedules: Made where the training itself begins, after any selection.
        late: Made on the way, with the share of the steps before it.
    """

    select: RestartSelected | None
    early: tuple[Change, ...]
    schedules: tuple[Change, ...]
    late: tuple[tuple[float, Change], ...]

    @classmethod
    def of(cls, changes: tuple[Change, ...]) -> "Course":
        """Sort changes by when they are made."""
        select, early, schedules, late = None, [], [], []
        for change in changes:
            if isinstance(change, RestartSelected):
                if select is not None:
                    raise DoesNotFit("a start is selected twice.")
                select = change
            elif isinstance(change, WarmUp | DecayLearningRate):
                schedules.append(change)
            elif isinstance(change, Prune) and change.after > 0:
                late.append((change.after, change))
            else:
                early.append(change)
        return cls(select, tuple(early), tuple(schedules), tuple(late))


@dataclass(frozen=True)
class Rounds:
    """How many starts there are in each round, and for how many steps.

    Attributes:
        counts: Starts at the beginning of each round; one is left after the last.
        steps: Of each start in each round.
        cost: Steps of all of them.
    """

    counts: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def cost(self) -> int:
        """Steps of all starts in all rounds."""
        return sum(c * s for c, s in zip(self.counts, self.steps, strict=True))

    @classmethod
    def of(cls, change: RestartSelected, steps: int) -> "Rounds":
        """Spend the change's share of the steps equally on the rounds.

        Raises:
            DoesNotFit: If there is nothing to select, or not a step for each start.
        """
        if change.starts < 2 or not 0 < change.keep < 1 or not 0 < change.share < 1:
            raise DoesNotFit(
                f"{change.starts} starts of which {change.keep:g} are kept, in "
                f"{change.share:g} of the steps: give 2 starts or more, and shares "
                "between 0 and 1."
            )
        counts = [change.starts]
        while (left := math.floor(counts[-1] * change.keep + 1e-9)) > 1:
            counts.append(left)
        budget = change.share * steps / len(counts)
        each = tuple(int(budget // count) for count in counts)
        if each[0] < 1:
            raise DoesNotFit(
                f"{change.starts} starts in {change.share:.0%} of {steps:,} steps "
                "leave none for each: train longer, or start less often."
            )
        return cls(tuple(counts), each)


@dataclass(frozen=True)
class Done:
    """One training of an arm.

    Attributes:
        attempt: What came of it.
        changes: As they were made.
        cost: Parameters × steps over that of an untreated training.
    """

    attempt: Attempt
    changes: tuple[Change, ...] = ()
    cost: float = 1.0


def run_courses(
    starts: Starts,
    changes: tuple[Change, ...],
    advance: Advance,
    *,
    steps: int,
    seeds: Sequence[int],
    restarts: bool = False,
    fused_order: bool = False,
    judged_by: SwapLoss | None = None,
) -> list[Done]:
    """Train one course from several seeds together, and score what came of them.

    Args:
        starts: Where they start.
        changes: Of the arm.
        advance: What trains.
        steps: Of a training, from the shared state.
        seeds: Of the pairs.
        restarts: Whether they start from a fresh draw instead of the shared state.
        fused_order: Whether samples come in the order of the fused engine.
        judged_by: The loss by which all are scored; their own if None.

    Raises:
        DoesNotFit: If a change cannot be made.
    """
    runs = [_Run(starts, seed, restarts, fused_order, judged_by) for seed in seeds]
    _train(runs, starts, changes, advance, steps, fused_order)
    return [run.done(steps) for run in runs]


def treated_training(
    starts: Starts, changes: tuple[Change, ...], *, steps: int, seed: int
) -> Training:
    """One training with changes, trained through in torch.

    Raises:
        DoesNotFit: If a change cannot be made.
    """
    run = _Run(starts, seed, False, False)
    _train([run], starts, changes, in_torch, steps, False)
    return run.training


def _train(
    runs: Sequence["_Run"],
    starts: Starts,
    changes: tuple[Change, ...],
    advance: Advance,
    steps: int,
    fused_order: bool,
) -> None:
    course = Course.of(changes)
    left = steps
    if course.select is not None:
        rounds = Rounds.of(course.select, steps)
        _select(runs, starts, course, rounds, advance, fused_order)
        left -= rounds.cost
    else:
        for run in runs:
            run.make(course.early, left)
    wide = course.late[0][0] if course.late else 0.0
    # steps in number, where some of them are dearer
    taken = round(wide * left / runs[0].ratio) + round((1 - wide) * left)
    for run in runs:
        begin_schedules(run.training, taken)
        run.make(course.schedules, taken)
    before = 0.0
    for phase, (share, change) in enumerate((*course.late, (1.0, None))):
        # a wider network pays for its steps; all of an arm are equally wide
        ratio = runs[0].ratio
        count = round((share - before) * left / ratio)
        orders = [run.order + 7919 * phase for run in runs]
        trainings = [run.training for run in runs]
        for run, progress in zip(runs, advance(trainings, count, orders), strict=True):
            run.progress.append(progress)
            run.cost += count * ratio
        before = share
        if change is not None:
            for run in runs:
                run.make((change,), left)


class _Run:
    """One training on its way."""

    def __init__(
        self,
        starts: Starts,
        seed: int,
        restarts: bool,
        fused_order: bool,
        judged_by: SwapLoss | None = None,
    ) -> None:
        self.seed, self.order = seed, seed + FRESH if restarts else seed
        self.training = starts.fresh(seed) if restarts else starts.make(seed)
        if fused_order:
            in_fused_order(self.training, self.order)
        scored = self.training.fork()
        if judged_by is not None:
            apply((judged_by,), scored, context_of(scored, steps=0, seed=seed))
        self.scorer = Scorer(scored)
        self.size = _size(self.training)
        self.made: list[Change] = []
        self.progress: list[Progress] = []
        self.cost = 0.0

    @property
    def ratio(self) -> float:
        """Parameters now over those at the start."""
        return _size(self.training) / self.size

    def make(self, changes: tuple[Change, ...], steps: int) -> None:
        """Make changes to it."""
        if changes:
            context = context_of(self.training, steps=steps, seed=self.seed)
            # at this seed; an arm that finds nothing anywhere was refused before
            with contextlib.suppress(NothingToDo):
                self.made += apply(changes, self.training, context).changes

    def done(self, steps: int) -> Done:
        """Score it."""
        scores = self.scorer.measure(self.training)
        is_finite = all(p.is_finite for p in self.progress)
        windows = [mean for p in self.progress for mean in p.windows]
        stop: Stop = "frozen" if self.progress[-1].is_frozen else "done"
        loss = scores.loss
        if math.isnan(loss) and is_finite and windows:
            loss = windows[-1]  # batches that cannot be read again
        attempt = Attempt(
            cell=Cell((), 0.0, self.seed),
            steps=sum(p.steps for p in self.progress),
            stop=stop if is_finite else "nonfinite",
            loss=loss if is_finite else math.nan,
            score=scores.score if is_finite else math.nan,
            constant_loss=scores.constant_loss,
            constant_score=scores.constant_score,
            first_loss=windows[0] if windows else math.nan,
            trend=trend_of(windows),
            silent=scores.silent if is_finite else 0,
        )
        return Done(attempt, tuple(self.made), self.cost / steps)


def begin_schedules(training: Training, steps: int) -> None:
    """Let schedules that end with the training end with these steps."""
    for hook in step_hooks(training.optimizer):
        if isinstance(hook, RateSchedule):
            hook.begin(steps)


def _select(
    runs: Sequence[_Run],
    starts: Starts,
    course: Course,
    rounds: Rounds,
    advance: Advance,
    fused_order: bool,
) -> None:
    """Give each run the best of many starts, its optimizer fresh."""
    assert course.select is not None
    rate = course.select.rate
    population: list[tuple[_Run, int, Training]] = []
    for run in runs:
        for which in range(rounds.counts[0]):
            one = starts.fresh(run.seed, which)
            order = _order(run.seed, which)
            if fused_order:
                in_fused_order(one, order)
            context = context_of(one, steps=rounds.steps[0], seed=order)
            made = apply(course.early, one, context).changes
            for hook in step_hooks(one.optimizer):
                if isinstance(hook, RateSchedule):
                    hook.is_paused = True
            population.append((run, order, one))
        run.made += [course.select, *made]
    for number, (count, each) in enumerate(
        zip(rounds.counts, rounds.steps, strict=True)
    ):
        if number:
            population = _best(population, count)
        trainings = [one for _, _, one in population]
        for one in trainings:
            _scale(one, rate)
        advance(trainings, each, [o + 7919 * number for _, o, _ in population])
        for one in trainings:
            _scale(one, 1 / rate)
            one.optimizer.state.clear()
    for run, _, one in _best(population, 1):
        run.training = one
        run.cost += rounds.cost


def select_start(
    source: Training, course: Course, advance: Advance, *, steps: int
) -> tuple[Training, Rounds]:
    """The best of many starts of one training, early changes made to it.

    Raises:
        DoesNotFit: If a change cannot be made.
    """
    assert course.select is not None
    starts = Starts(source)
    rounds = Rounds.of(course.select, steps)
    run = _Run(starts, 0, False, False)
    _select([run], starts, course, rounds, advance, False)
    return run.training, rounds


def _best(
    population: list[tuple[_Run, int, Training]], count: int
) -> list[tuple[_Run, int, Training]]:
    """Of each run's starts those with the least loss over the data."""
    by_run: dict[int, list[tuple[float, int]]] = {}
    for at, (run, _, one) in enumerate(population):
        loss = run.scorer.measure(one).loss
        by_run.setdefault(id(run), []).append(
            (loss if math.isfinite(loss) else math.inf, at)
        )
    chosen = [at for ranked in by_run.values() for _, at in sorted(ranked)[:count]]
    return [population[at] for at in chosen]


def _order(seed: int, which: int) -> int:
    """Of the order of samples of one of many starts."""
    return seed * 1009 + which + 1


def _scale(training: Training, factor: float) -> None:
    for group in training.optimizer.param_groups:
        group["lr"] = group["lr"] * factor


def _size(training: Training) -> int:
    return sum(p.numel() for p in training.model.parameters())


def failed(seed: int, error: BaseException) -> Done:
    """A training that an error ended."""
    cell = Cell((), 0.0, seed)
    reason = in_one_line(error)
    return Done(Attempt(cell=cell, steps=0, stop="raised", reason=reason))
