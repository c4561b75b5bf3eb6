"""Diagnose, try what may help on paired copies, confirm the best, apply it, undo it."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.changes import Applied, Context, DoesNotFit, Snapshot, apply
from reluctant.lab._advance import in_torch
from reluctant.lab._bench import (
    Bench,
    Rival,
    must_afford_a_pair,
)
from reluctant.lab._candidates import (
    WATCHED,
    candidates,
    redosed,
    rivals_of,
    watched,
)
from reluctant.lab._check import check_training
from reluctant.lab._course import Course, select_start
from reluctant.lab._judge import DEFAULT, read_criterion
from reluctant.lab._load import load_recipe
from reluctant.lab._map import _short
from reluctant.lab._map_train import hard_ground
from reluctant.lab._recipe import LossFn, Recipe, Training
from reluctant.lab._starts import context_of
from reluctant.lab._treat_search import Budget, Search
from reluctant.lab._trial import (
    SEEDS,
    default_steps,
    first_of,
    run_trial,
)
from reluctant.records import (
    UNTREATED,
    Arm,
    Change,
    Diagnosis,
    Severity,
    SwapLoss,
    TreatmentRecord,
    Trial,
    UsageError,
)

FEWEST = 6  # pairs to confirm by: fewer cannot tell
FRESH_SEEDS = 10_000  # from here on: seeds that no rival was chosen by
SEARCH = 0.65  # of the budget, the rest is for confirmation
ARMS = 3  # that are trained to confirm: untreated, restart, the winner
LEAST_SEARCH = 0.25  # of the budget, however many seeds are to confirm
LOSS_AT_FAULT = ("HED203", "HED401")  # findings by which no one should be judged
CHECK = 10.0  # seconds for the exams of a copy
PATIENT = 60.0  # likewise, where the budget counts steps and not seconds
STARTS = 4  # that exams look at until one shows something
LOOKING = 0.5  # of the seconds, after which no further start is looked at
SECONDS = 600.0
CONFIRMED = 2  # rivals that are confirmed, at most: the second if the first fails

Notify = Callable[[str], None]


class Treatment:
    """What was tried on a training, and the winner, ready to be applied.

    Attributes:
        record: Everything that was found, as data.
    """

    def __init__(
        self, record: TreatmentRecord, live: Training | None, winner: Rival | None
    ) -> None:
        self.record = record
        self._live, self._winner = live, winner
        self._applied: Applied | None = None

    @property
    def loss_fn(self) -> LossFn | None:
        """The loss to go on with: another one where the winner swapped it."""
        return self._live.loss_fn if self._live else None

    @property
    def changes(self) -> tuple[Change, ...]:
        """The winner's changes; as they were made once they are applied."""
        return self._applied.changes if self._applied else self.record.changes

    def apply(self) -> tuple[Change, ...]:
        """Make the winner's changes to the model and the optimizer, in place.

        Returns:
            The changes as they were made.

        Raises:
            UsageError: If nothing won, there is no live model, it was applied before,
                or a change does not fit any more.
        """
        if self._winner is None:
            raise UsageError(f"there is nothing to apply: {self.record.verdict}")
        if self._live is None:
            raise UsageError(
                "a recipe has no live model: call reluctant.treat(model, loss_fn, "
                "optimizer, batches), or let the recipe make the changes itself."
            )
        if self._applied is not None:
            raise UsageError("it is applied already: undo() takes it back.")
        self._applied = make_changes(self._winner.changes, self._live)
        return self._applied.changes

    def undo(self) -> None:
        """Put model, optimizer and loss back as they were before `apply`.

        Byte for byte; steps that were taken since are taken back, too.

        Raises:
            UsageError: If nothing is applied.
        """
        if self._applied is None:
            raise UsageError("nothing is applied, so there is nothing to undo.")
        self._applied.undo()
        self._applied = None

    def __str__(self) -> str:
        """The verdict, how every rival did, and the patch, for `print`."""
        r = self.record
        lines = [r.verdict]
        trial = r.confirmation or (r.rounds[-1] if r.rounds else None)
        for arm in trial.arms if trial else ():
            if arm.outcomes:
                s = arm.success
                interval = f"{s.low:.0%} to {s.high:.0%}"
                lines.append(f"  {arm.name}: {s.successes} of {s.n} ({interval})")
        return "\n".join([*lines, *r.patch.splitlines()])


def treat(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    optimizer: Optimizer,
    batches: Iterable[Any],
    *,
    steps: int | None = None,
    seeds: int = SEEDS,
    success: str = DEFAULT,
    seconds: float | None = SECONDS,
    most_steps: float | None = None,
    workers: int | None = None,
    name: str | None = None,
    notify: Notify = lambda line: None,
) -> Treatment:
    """Find out by trials on copies what helps a training, from where it stands.

    Nothing of the user's is changed until `apply()` of what is returned is called.

    Args:
        model: The network, in the mode in which it trains.
        loss_fn: Called as `loss_fn(model(inputs), targets)`; gives one number.
        optimizer: Owns the model's parameters.
        batches: Pairs `(inputs, targets)`, to be iterated more than once.
        steps: Of each trial training; ten epochs, and at least the horizon, if left
            out.
        seeds: Pairs by which the winner is confirmed.
        success: `gap<0.05`, `loss<0.1` or `score>0.9`; see `success_map`.
        seconds: Of wall time in all, about; None for any.
        most_steps: Optimizer steps in all; None for any.
        workers: Processes or threads; all cores if left out.
        name: What to call the model in reports; its class if left out.
        notify: Given a line for each stretch of work.

    Raises:
        UsageError: If the training cannot be copied, its batches cannot be iterated
            twice, or the budget does not reach for one pair.
    """
    training = Training(model, loss_fn, optimizer, batches)
    training.fork()  # what cannot be copied is refused before any work is done
    record, winner = _treated(
        training,
        name=name or type(model).__name__,
        steps=steps,
        after=0,
        seeds=seeds,
        success=success,
        seconds=seconds,
        most_steps=most_steps,
        workers=workers,
        notify=notify,
    )
    return Treatment(record, training, winner)


def treat_recipe(
    recipe: str | Recipe,
    *,
    steps: int | None = None,
    after: int = 0,
    seeds: int = SEEDS,
    success: str = DEFAULT,
    seconds: float | None = SECONDS,
    most_steps: float | None = None,
    workers: int | None = None,
    name: str | None = None,
    notify: Notify = lambda line: None,
) -> Treatment:
    """Find out by trials what helps a recipe, over its seeds.

    Args:
        recipe: A function of a seed, or its name.
        steps: Of each training, from the state that pairs share.
        after: Steps before that state: above 0, trainings are treated on their way.
        seeds: As in `treat`, as are all others.
        success: See there.
        seconds: See there.
        most_steps: See there.
        workers: See there.
        name: See there.
        notify: See there.

    Raises:
        UsageError: If the recipe builds nothing, or the budget does not reach for one
            pair.
    """
    made = load_recipe(recipe) if isinstance(recipe, str) else recipe
    record, winner = _treated(
        made,
        name=name or _short(recipe),
        steps=steps,
        after=after,
        seeds=seeds,
        success=success,
        seconds=seconds,
        most_steps=most_steps,
        workers=workers,
        notify=notify,
    )
    return Treatment(record, None, winner)


def make_changes(
    changes: Sequence[Change], training: Training, *, steps: int = 0, seed: int = 0
) -> Applied:
    """Make a winner's changes to a live training, selection among starts included.

    Raises:
        DoesNotFit: If one cannot be made; then nothing is changed.
    """
    course = Course.of(tuple(changes))
    if course.late:
        raise DoesNotFit("a change in the midst of a training cannot be made at once.")
    steps = steps or default_steps(training.fork())
    context = context_of(training, steps=steps, seed=seed)
    if course.select is None:
        return apply((*course.early, *course.schedules), training, context)
    with hard_ground():
        best, rounds = select_start(training.fork(), course, in_torch, steps=steps)
    snapshot = Snapshot(training)
    try:
        done = apply(course.early, training, context).changes
        mine, theirs = (t.model.state_dict() for t in (training, best))
        with torch.no_grad():
            for key, value in mine.items():
                value.copy_(theirs[key])
        training.optimizer.state.clear()
        rest = Context(context.batches, steps - rounds.cost, seed)
        done += apply(course.schedules, training, rest).changes
    except BaseException:
        snapshot.restore()
        raise
    return Applied((course.select, *done), snapshot)


# --- inside


def _treated(
    source: Recipe | Training,
    *,
    name: str,
    steps: int | None,
    after: int,
    seeds: int,
    success: str,
    seconds: float | None,
    most_steps: float | None,
    workers: int | None,
    notify: Notify,
) -> tuple[TreatmentRecord, Rival | None]:
    begun = time.monotonic()
    read_criterion(success)
    if seeds < 1:
        raise UsageError(f"seeds are {seeds}: give a number above 0.")
    probe = first_of(source)
    is_recipe = not isinstance(source, Training)
    bench = Bench(
        source, steps=steps or default_steps(probe), after=after, workers=workers
    )
    must_afford_a_pair(bench, seconds=seconds, most_steps=most_steps)
    notify(f"watching a copy of {name} train")
    start = bench.starts.make(0)
    watching = time.monotonic()
    seen, trace = watched(start, bench.steps, name=name)
    each = (time.monotonic() - watching) * bench.steps / min(bench.steps, WATCHED)
    with hard_ground():
        spare = math.inf if seconds is None else seconds
        most = PATIENT if seconds is None else min(CHECK, spare / 10)
        checked = check_training(start, budget=most, name=name)
    looks = [seen, checked]
    if is_recipe and not after:
        looks += _of_other_starts(bench, looks, name, begun, spare)
    telling = [look for look in looks if look.root is not None]
    telling += [look for look in looks if look.prescriptions]  # notes, but of use
    diagnosis = telling[0] if telling else seen
    wanted, advice = candidates(looks, trace, is_recipe=is_recipe)
    rivals = rivals_of(wanted)
    bench.judged_by = _other_loss(looks)
    notes = [f"only its author can: {one.remedy}: {one.because}" for one in advice]
    if seconds is not None:  # looking took its time
        begun, seconds = time.monotonic(), seconds + begun - time.monotonic()
    budget = Budget(bench, begun, seconds, most_steps, each, bench.workers)
    share = _search_share(bench, seeds, most_steps)
    redose = partial(redosed, trace=trace)
    search = Search(bench, budget, share, success, notify, redose)
    ranked = search.sort_out(rivals)
    budget.limit(1.0)
    rounds = tuple(search.rounds)

    def record(**known: Any) -> TreatmentRecord:
        return TreatmentRecord(
            training=name,
            diagnosis=diagnosis,
            rounds=rounds,
            notes=(*notes, *search.notes),
            **known,
        )

    last = rounds[-1].arm(UNTREATED).success if rounds else None
    if last is not None and last.successes == last.n > 0 and diagnosis.root is None:
        return record(
            verdict=f"nothing to treat: untreated it succeeded on {last.n} of {last.n} "
            "seeds, and nothing was found."
        ), None
    confirmation = None
    for rival in ranked[:CONFIRMED]:
        notify(f"confirming {rival.name} on fresh seeds")
        room = math.floor(budget.left(1.0) / budget.proof(rival))
        fresh = range(FRESH_SEEDS, FRESH_SEEDS + min(seeds, max(room, FEWEST)))
        confirmation = run_trial(bench, [rival], fresh, success)
        compared = confirmation.against_untreated(rival.name)
        if compared is not None and compared.verdict == "helped":
            arm = confirmation.arm(rival.name)
            return record(
                confirmation=confirmation,
                winner=rival.name,
                changes=arm.changes,
                patch="\n".join(p.patch for p in rival.prescriptions if p.patch),
                verdict=_praise(arm, confirmation, diagnosis),
            ), rival
    return record(confirmation=confirmation, verdict=_nothing(ranked, rounds)), None


def _of_other_starts(
    bench: Bench,
    first: Sequence[Diagnosis],
    name: str,
    begun: float,
    seconds: float,
) -> list[Diagnosis]:
    """What is wrong with another start, where the first shows nothing."""
    if any(look.root is not None for look in first):
        return []
    looks: list[Diagnosis] = []
    budget = min(CHECK, seconds / 10)
    for seed in range(1, STARTS):
        if time.monotonic() - begun > LOOKING * seconds:
            break
        with hard_ground():
            found = check_training(bench.starts.make(seed), budget=budget, name=name)
        looks.append(found)
        if found.root is not None:
            break
    return looks


def _other_loss(diagnoses: Sequence[Diagnosis]) -> SwapLoss | None:
    """What to judge by where the loss is at fault: by its own word it may do well."""
    for diagnosis in diagnoses:
        codes = {f.code for f in diagnosis.findings if f.severity is not Severity.NOTE}
        for one in diagnosis.prescriptions:
            if one.cures in codes and one.cures in LOSS_AT_FAULT:
                for change in one.changes:
                    if isinstance(change, SwapLoss):
                        return change
    return None


def _search_share(bench: Bench, seeds: int, most_steps: float | None) -> float:
    """Of the budget: what leaves enough to confirm the winner."""
    if most_steps is None:
        return SEARCH
    confirming = ARMS * seeds * bench.steps / most_steps
    return max(1 - confirming, LEAST_SEARCH)


def _praise(arm: Arm, trial: Trial, diagnosis: Diagnosis) -> str:
    before, after = trial.arm(UNTREATED), arm
    compared = trial.against_untreated(arm.name)
    assert compared is not None
    cause = f" (found: {diagnosis.root.name})" if diagnosis.root else ""
    cost = f", at {after.cost:.2g} times the cost" if after.cost > 1.05 else ""
    return (
        f"{arm.name} helps{cause}: {_share_words(after)} succeed instead of "
        f"{_share_words(before)}; of {compared.pairs} pairs on fresh seeds it won "
        f"{compared.wins} and lost {compared.losses}{cost}."
    )


def _share_words(arm: Arm) -> str:
    s = arm.success
    return f"{s.successes} of {s.n} ({s.low:.0%} to {s.high:.0%})"


def _nothing(ranked: Sequence[Rival], rounds: Sequence[Trial]) -> str:
    tried = {a.name for r in rounds for a in r.arms if a.outcomes and a.prescriptions}
    if not tried:
        return "nothing was found that could be tried."
    best = f"; the best was {ranked[0].name}" if ranked else ""
    return f"nothing helps beyond chance: {len(tried)} treatments were tried{best}."
