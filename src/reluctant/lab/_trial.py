"""Does a prescription help? Train with and without it, from the same state."""

import math
import statistics
from collections.abc import Callable, Sequence

import torch

from reluctant.lab._bench import (
    RESTART_RIVAL,
    UNTREATED_RIVAL,
    Bench,
    OutOfTime,
    Rival,
    must_afford_a_pair,
)
from reluctant.lab._cells import Attempt
from reluctant.lab._course import Done
from reluctant.lab._judge import DEFAULT, Judge, read_criterion, start_loss
from reluctant.lab._map_recipe import steps_of
from reluctant.lab._recipe import Recipe, Training, build
from reluctant.records import (
    UNTREATED,
    Arm,
    ArmComparison,
    Outcome,
    Prescription,
    Share,
    Trial,
    UsageError,
)
from reluctant.records._trial import Verdict
from reluctant.stats import median_interval, paired_shares, sign_test, wilson_interval

LEVEL = 0.05  # of a verdict, shared out over the looks
MARGIN = 0.05  # of the other's loss, by which a pair must differ to be won
NOTHING = 1e-4  # of what there is to gain: losses below it are all the same
ADAM_HORIZON = 1.5  # weight scales that a unit must be able to travel, at a rate a step
SEEDS = 16


def trial(
    source: Recipe | Training,
    prescriptions: Sequence[Prescription],
    *,
    seeds: int | Sequence[int] = SEEDS,
    steps: int | None = None,
    after: int = 0,
    success: str = DEFAULT,
    seconds: float | None = None,
    most_steps: float | None = None,
    workers: int | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Trial:
    """Try prescriptions on paired copies, beside no treatment and a plain restart.

    Args:
        source: A recipe: each seed is a start of its own. Or a training, which is
            forked and stays as it is: each seed is another order of batches.
        prescriptions: One arm each.
        seeds: How many pairs, or which. It ends early when the answer is clear.
        steps: Of a training; ten epochs, and at least the horizon, if left out.
        after: Steps before the state that the arms share.
        success: `gap<0.05`, `loss<0.1` or `score>0.9`; as in a map.
        seconds: Of wall time in all; None for any.
        most_steps: Optimizer steps in all; None for any.
        workers: Processes or threads; all cores if left out.
        on_progress: Given how many trainings are done.

    Raises:
        UsageError: If the source cannot be copied or started over, or the budget does
            not reach for one pair.
    """
    import time

    names = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not names or len(set(names)) != len(names) or min(names) < 0:
        raise UsageError(
            f"seeds are {seeds}: give a number above 0, or different ones."
        )
    rivals = [Rival(p.remedy, (p,)) for p in prescriptions]
    if len({r.name for r in rivals}) < len(rivals):
        raise UsageError("two prescriptions have one name: try one of them at a time.")
    probe = first_of(source)
    bench = Bench(
        source,
        steps=steps or default_steps(probe),
        after=after,
        workers=workers,
        deadline=None if seconds is None else time.monotonic() + seconds,
        most_steps=most_steps,
        on_progress=on_progress,
    )
    must_afford_a_pair(bench, seconds=seconds, most_steps=most_steps)
    return run_trial(bench, rivals, names, success)


def first_of(source: Recipe | Training) -> Training:
    """A copy to ask about; UsageError if there can be none."""
    return source.fork() if isinstance(source, Training) else build(source, 0)


def run_trial(
    bench: Bench, rivals: Sequence[Rival], seeds: Sequence[int], success: str = DEFAULT
) -> Trial:
    """Try rivals at some seeds, in two looks."""
    read_criterion(success)
    half = max(1, (len(seeds) + 1) // 2)
    looks = [half, len(seeds)] if len(seeds) >= 12 else [len(seeds)]
    arms = [UNTREATED_RIVAL, RESTART_RIVAL, *rivals]
    ended, used = "all seeds were used", list(seeds)
    level = LEVEL / len(looks)
    for number in looks:
        used = list(seeds[:number])
        try:
            bench.run(arms, used)
        except OutOfTime:
            ended = "the budget was used up"
            break
        found = trial_of(bench, rivals, used, success, level, "")
        if number < len(seeds) and _is_clear(found, len(seeds), level):
            ended = "the answer was clear"
            break
    return trial_of(bench, rivals, used, success, level, ended)


def trial_of(
    bench: Bench,
    rivals: Sequence[Rival],
    seeds: Sequence[int],
    success: str,
    level: float,
    ended: str,
    *,
    restart: bool = True,
) -> Trial:
    """What is known of the arms at some seeds."""
    everyone = [UNTREATED_RIVAL, *([RESTART_RIVAL] if restart else []), *rivals]
    done = {rival.name: bench.done(rival, seeds) for rival in everyone}
    comparable = {r.name for r in everyone if bench.is_comparable(r)}
    attempts = [d.attempt for n, some in done.items() for d in some if n in comparable]
    judge = Judge(read_criterion(success), attempts)
    arms = [_arm(rival, done[rival.name], judge, bench) for rival in everyone]
    comparisons = [
        _compared(rival, done[rival.name], done[UNTREATED], judge, level, bench)
        for rival in everyone[1:]
        if done[rival.name]
    ]
    return Trial(
        arms=tuple(arms),
        comparisons=tuple(comparisons),
        seeds=tuple(seeds),
        steps=bench.steps,
        after=bench.after,
        criterion=str(judge.criterion),
        meaning=judge.meaning().replace("of this map", "of this trial"),
        ended=ended,
        notes=tuple(_notes(bench, judge, len(seeds))),
    )


def default_steps(training: Training) -> int:
    """Ten epochs, and at least the horizon."""
    try:
        epochs = steps_of(training, steps=None, epochs=None)
    except UsageError:
        epochs = 1000
    return max(epochs, horizon(training))


def horizon(training: Training) -> int:
    """Steps before which a right cure may look like none.

    A unit that was drawn anew has to travel as far as weights are large. Adam goes a
    rate a step; of other rules no one knows, and 0 is returned.
    """
    optimizer = training.optimizer
    if not isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
        return 0
    rate = float(optimizer.param_groups[0]["lr"])
    weights = [p.detach() for p in training.model.parameters() if p.dim() > 1]
    if not weights or not rate > 0:
        return 0
    scale = max(float(w.double().square().mean().sqrt()) for w in weights)
    return math.ceil(ADAM_HORIZON * scale / rate)


# --- inside


def _arm(rival: Rival, done: list[Done], judge: Judge, bench: Bench) -> Arm:
    by_score = not bench.is_comparable(rival)
    outcomes = []
    for one in done:
        a = one.attempt
        outcome = judge.outcome(a)
        won = outcome == "trained" and (not by_score or judge.by_score)
        outcomes.append(
            Outcome(
                seed=a.cell.seed,
                loss=a.loss,
                score=a.score,
                success=won,
                outcome=outcome,
                steps=a.steps,
                reason=a.reason,
            )
        )
    losses = [o.loss if math.isfinite(o.loss) else math.inf for o in outcomes]
    successes = sum(o.success for o in outcomes)
    return Arm(
        name=rival.name,
        prescriptions=rival.prescriptions,
        changes=done[0].changes if done else (),
        outcomes=tuple(outcomes),
        success=Share(successes, len(done), *wilson_interval(successes, len(done))),
        loss=statistics.median(losses) if losses else math.nan,
        cost=statistics.median(d.cost for d in done) if done else 1.0,
        engine=bench.engine(rival),
        refusal=bench.refusal(rival),
    )


def _compared(
    rival: Rival,
    done: list[Done],
    untreated: list[Done],
    judge: Judge,
    level: float,
    bench: Bench,
) -> ArmComparison:
    by_score = not bench.is_comparable(rival)
    others = {d.attempt.cell.seed: d.attempt for d in untreated}
    pairs = [
        (d.attempt, others[d.attempt.cell.seed])
        for d in done
        if d.attempt.cell.seed in others
    ]
    wins = sum(_beats(a, b, by_score=by_score) for a, b in pairs)
    losses = sum(_beats(b, a, by_score=by_score) for a, b in pairs)
    ratios = [_ratio(a, b) for a, b in pairs]
    ratio = median_interval(ratios) if ratios else (math.nan,) * 3
    first = [judge.outcome(b) == "trained" for _, b in pairs]
    second = [judge.outcome(a) == "trained" for a, _ in pairs]
    shares = paired_shares(first, second) if pairs else None
    p_loss = sign_test(wins, losses)
    verdict: Verdict = "no difference"
    if shares and shares.p < level:
        verdict = "helped" if shares.difference > 0 else "hurt"
    elif p_loss < level:
        verdict = "helped" if wins > losses else "hurt"
    return ArmComparison(
        arm=rival.name,
        against=UNTREATED,
        pairs=len(pairs),
        wins=wins,
        losses=losses,
        p_loss=p_loss,
        ratio=ratio[0],
        ratio_low=ratio[1],
        ratio_high=ratio[2],
        difference=shares.difference if shares else math.nan,
        difference_low=shares.low if shares else -1.0,
        difference_high=shares.high if shares else 1.0,
        p_success=shares.p if shares else 1.0,
        verdict=verdict,
    )


def _beats(a: Attempt, b: Attempt, *, by_score: bool) -> bool:
    """Whether the first is better by more than the margin; a diverged run is lost."""
    if not math.isfinite(a.loss):
        return False
    if not math.isfinite(b.loss):
        return True
    if by_score:  # losses of two kinds cannot be compared
        left = 1 - b.score
        return a.score - b.score > MARGIN * left
    return b.loss - a.loss > max(MARGIN * abs(b.loss), _least(b))


def _least(attempt: Attempt) -> float:
    """A difference in the loss that is nothing, beside what there is to gain."""
    start = start_loss(attempt)
    return NOTHING * abs(start) if math.isfinite(start) else 0.0


def _ratio(a: Attempt, b: Attempt) -> float:
    if not math.isfinite(a.loss):
        return math.inf if math.isfinite(b.loss) else 1.0
    if not math.isfinite(b.loss):
        return 0.0
    least = _least(b)
    return (abs(a.loss) + least) / max(abs(b.loss) + least, 1e-300)


def _is_clear(found: Trial, most: int, level: float) -> bool:
    """Whether more seeds could not change any verdict, or need not."""
    for comparison in found.comparisons[1:]:  # the restart is there to compare with
        if comparison.verdict != "no difference":
            continue
        left = most - comparison.pairs
        best = min(
            sign_test(comparison.wins + left, comparison.losses),
            sign_test(comparison.losses + left, comparison.wins),
        )
        if best < level:
            return False
    return True


def _notes(bench: Bench, judge: Judge, count: int) -> list[str]:
    notes = judge.notes()
    needed = next(n for n in range(1, 99) if sign_test(n, 0) < LEVEL)
    if count < needed:
        notes.append(
            f"{count} pairs cannot tell a difference from chance, however they end: "
            f"give {needed} seeds or more."
        )
    least = horizon(bench.starts.make(0))
    if bench.steps < least:
        notes.append(
            f"trainings of {bench.steps:,} steps may be too short for a right cure to "
            f"show: at this rate weights need about {least:,} to get as far as they "
            "are large."
        )
    return notes
