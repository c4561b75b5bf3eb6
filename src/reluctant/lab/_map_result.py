"""From attempts to the map: a pure function."""

from collections import Counter
from collections.abc import Iterable, Sequence

from reluctant.lab._cells import Attempt, Setting
from reluctant.lab._judge import Judge
from reluctant.lab._step_size_limit import StepSizeLimit
from reluctant.records import MapCell, MapRun, MapSlice, SeedThreshold, Threshold
from reluctant.stats import (
    expected_trials,
    median_threshold,
    trials_for,
    wilson_interval,
)

_INF = float("inf")


def slice_of(
    setting: Setting,
    attempts: Iterable[Attempt],
    judge: Judge,
    *,
    steps: int,
    seeds: Sequence[int],
    limit: StepSizeLimit,
) -> MapSlice:
    """The map at one setting.

    Args:
        setting: Of all attempts.
        attempts: In any order.
        judge: Who knows all attempts of the map.
        steps: That each may take.
        seeds: In the order in which they are used.
        limit: Predicted.
    """
    place = {seed: i for i, seed in enumerate(seeds)}
    ordered = sorted(attempts, key=lambda a: (a.cell.rate, place[a.cell.seed]))
    runs = tuple(
        MapRun(
            rate=a.cell.rate,
            seed=a.cell.seed,
            outcome=judge.outcome(a),
            gain=judge.gain(a),
            loss=a.loss,
            score=a.score,
            steps=a.steps,
            reason=a.reason,
        )
        for a in ordered
    )
    by_rate: dict[float, list[MapRun]] = {}
    for run in runs:
        by_rate.setdefault(run.rate, []).append(run)
    return MapSlice(
        setting=dict(setting),
        steps=steps,
        cells=tuple(_cell(rate, same) for rate, same in by_rate.items()),
        runs=runs,
        threshold=_threshold(runs, seeds, limit),
    )


def _cell(rate: float, runs: Sequence[MapRun]) -> MapCell:
    counts = Counter(str(run.outcome) for run in runs)
    successes = counts.pop("trained", 0)
    probability = successes / len(runs)
    low, high = wilson_interval(successes, len(runs))
    return MapCell(
        rate=rate,
        n=len(runs),
        successes=successes,
        probability=probability,
        low=low,
        high=high,
        failures=dict(sorted(counts.items())),
        expected_trainings=expected_trials(probability),
        trainings_for_99=trials_for(probability),
    )


def _threshold(
    runs: Sequence[MapRun], seeds: Sequence[int], limit: StepSizeLimit
) -> Threshold:
    all_seeds = tuple(
        _of_seed(seed, same)
        for seed in seeds
        if (same := [run for run in runs if run.seed == seed])
    )
    closed = tuple(t for t in all_seeds if _is_closed(t, runs))
    used = closed or all_seeds
    nan = float("nan")
    value, low, high, coverage = nan, 0.0, _INF, 0.0
    if used:
        value, low, high, coverage = median_threshold(
            [t.low for t in used], [t.high for t in used]
        )
    return Threshold(
        median=value,
        low=low,
        high=high,
        coverage=coverage,
        method=(
            f"order statistics of {len(used)} seeds (binomial), widened by the "
            "distance between rates"
        ),
        by_seed=used,
        predicted=limit.value,
        predicted_low=limit.interval[0],
        predicted_high=limit.interval[1],
        predicted_note=limit.reason,
    )


def _of_seed(seed: int, runs: Sequence[MapRun]) -> SeedThreshold:
    good = [run.rate for run in runs if run.outcome == "trained"]
    low = max(good, default=0.0)
    # where nothing succeeded, a rate that is too slow says nothing of one too large
    above = [r.rate for r in runs if r.rate > low and (low or r.outcome != "slow")]
    below = [run.outcome for run in runs if run.rate < low]
    return SeedThreshold(
        seed=seed,
        low=low,
        high=min(above, default=_INF),
        is_monotone=all(outcome in ("trained", "slow") for outcome in below),
    )


def _is_closed(threshold: SeedThreshold, runs: Sequence[MapRun]) -> bool:
    """Whether the seed was tried at every rate that others were between its ends."""
    between = {r.rate for r in runs if threshold.low < r.rate < threshold.high}
    return between <= {r.rate for r in runs if r.seed == threshold.seed}
