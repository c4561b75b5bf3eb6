"""Output units that die: the case of a learning rate a little too large.

The network: one hidden layer of 100, ReLU in hidden and output layer, one-hot targets,
loss ½·Σ(y − t)² over the outputs of one sample, plain SGD with one sample a step,
weights N(0, std 0.01), biases zero (on the 8×8 digits 0.1 in the output layer). On
MNIST 0.05 trains and 0.08 does not; the threshold lies where the step gauge reaches 2.

A little longer than most files: the numbers of the case are put together in one place.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reluctant.cases._data import Digits, load_digits
from reluctant.cases._dying_output_arms import LOWERED, try_all
from reluctant.cases._dying_output_figures import draw
from reluctant.cases._dying_output_map import grid_of, numbers_of, train_map
from reluctant.cases._dying_output_story import BEFORE, before, settled, tell
from reluctant.cases._dying_output_threshold import (
    TOLERANCE,
    bisect,
    healthy,
    median,
    predict,
)
from reluctant.cases._dying_output_treat import treated
from reluctant.cases._dying_output_watched import watched
from reluctant.cases._relu_net import Run
from reluctant.cases._relu_net_kind import HIDDEN, OUTPUTS, STD
from reluctant.cases._relu_nets import Job, fused, train_all
from reluctant.cases._result import CaseResult
from reluctant.lab._step_size_limit import StepSizeLimit
from reluctant.stats import wilson_interval

__all__ = ["run", "treated"]

CONTROL = 0.3  # of the predicted limit: what fails here does not fail by its step size
WATCHED = 1.6  # of the threshold: nearer to it outputs die too late to be watched
CALM = 0.5  # of the threshold: the working rate that is watched


@dataclass(frozen=True)
class Plan:
    """How much work to put in.

    Attributes:
        seeds: Of threshold, map and remedies.
        epochs: Of each training.
        rates: Learning rates to show, or multiples of the measured threshold.
        relative: Whether they are multiples.
        shown: Seeds at each of these rates.
        columns: Of the map, about.
        arms: Rates at which remedies are tried, at most.
        gauge_every: Steps from one measurement of the gauge to the next.
        watch: Steps to watch.
    """

    seeds: int
    epochs: int
    rates: tuple[float, ...]
    relative: bool
    shown: int
    columns: int
    arms: int
    gauge_every: int
    watch: int = 12_000


def _plan(data: Digits, quick: bool) -> Plan:
    if data.name == "MNIST":
        if not fused():
            return Plan(2, 1, (0.05, 0.08), False, 2, 4, 1, 10)
        if quick:
            return Plan(3, 1, (0.05, 0.08), False, 3, 5, 1, 30)
        return Plan(10, 3, (0.05, 0.06, 0.07, 0.08), False, 5, 8, 2, 30)
    rates = (0.6, 1.2, 1.6)
    if not fused():
        seeds, epochs = (2, 8) if quick else (3, 16)
        return Plan(seeds, epochs, rates, True, seeds, 5, 1, 10)
    if quick:
        return Plan(6, 12, rates, True, 4, 8, 1, 10)
    return Plan(12, 20, rates, True, 6, 12, 2, 10)


def run(
    *, data: Path | None, quick: bool, seed: int, progress: Callable[[str], None]
) -> CaseResult:
    """Predict the threshold, measure it, train on both sides of it, and diagnose."""
    digits = load_digits(data)
    plan = _plan(digits, quick)
    size: dict[str, Any] = {"epochs": plan.epochs, "progress": progress}
    progress(f"{digits.name}: predicting the threshold from lower learning rates")
    limit, probed = predict(digits, seed, progress)
    near = limit.value if math.isfinite(limit.value) else 0.1
    control = near * CONTROL
    seeds, aside = healthy(digits, seed, control, seeds=plan.seeds, **size)
    searched = bisect(digits, seeds, near, control, **size)
    middle, by_seed = median(searched, seeds, control)
    measured = middle.value
    rates = [_round(r * measured) if plan.relative else r for r in plan.rates]
    few = seeds[: plan.shown]
    progress(f"training at {', '.join(f'{r:g}' for r in rates)}, {len(few)} seeds each")
    shown = train_all(
        digits,
        [Job(rate, s) for rate in rates for s in few],
        epochs=plan.epochs,
        gauge_every=plan.gauge_every,
        deaths=True,
    )
    grid = grid_of(measured, plan.columns)
    progress(f"mapping {len(grid)} learning rates by {len(seeds)} seeds")
    cells = train_map(digits, grid, seeds, epochs=plan.epochs)
    lowered = _round(LOWERED * near)
    failing = [rate for rate in rates if rate > measured][: plan.arms]
    arms = try_all(digits, failing, seeds, lowered=lowered, **size)
    progress("watching one failing and one working training in torch")
    pair = {"failing": _round(WATCHED * measured), "working": _round(CALM * measured)}
    numbers: dict[str, Any] = {
        "case": "dying-output",
        "data": digits.name,
        "samples": len(digits.train_x),
        "net": [digits.inputs, HIDDEN, OUTPUTS],
        "init_std": STD,
        "head_bias": digits.head_bias,
        "loss": "sum((y - t)**2) / 2",
        "epochs": plan.epochs,
        "control": {"rate": control, "seeds": seeds, "set_aside": aside},
        "rates": [_at(rate, [r for r in shown if r.rate == rate]) for rate in rates],
        "threshold": {
            "measured": measured,
            "interval": [middle.low, middle.high],
            "coverage": middle.coverage,
            "range": [min(by_seed), max(by_seed)],
            "by_seed": by_seed,
            "tolerance": TOLERANCE,
            "predicted": _or_none(limit.value),
            "predicted_interval": [_or_none(end) for end in limit.interval],
            "predicted_reason": limit.reason,
            "steps_to_predict": probed,
            "steps_to_measure": sum(r.steps for r in searched),
        },
        "map": numbers_of(cells),
        "arms": arms,
        "gauge": _gauges(shown, limit),
        "diagnosis": watched(digits, pair, seeds[0], plan.watch),
    }
    return CaseResult(
        name="dying-output",
        story=tuple(tell(digits, shown, numbers)),
        numbers=numbers,
        figures=draw(digits, shown, numbers),
    )


def _at(rate: float, runs: list[Run]) -> dict[str, Any]:
    lost = sum(run.outcome != "trained" for run in runs)
    return {
        "rate": rate,
        "lost": lost,
        "n": len(runs),
        "interval": list(wilson_interval(lost, len(runs))),
        "seeds": [_outcome(run) for run in runs],
    }


def _outcome(run: Run) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "outcome": run.outcome,
        "accuracy": run.test[-1],
        "best_accuracy": max(run.test),
        "accuracy_by_epoch": run.test,
        "dead_outputs": [
            {
                "unit": unit,
                "step": int(run.last_fired[unit]),
                "gauge_before": _or_none(before(run, unit)),
            }
            for unit in run.dead
        ],
    }


def _gauges(shown: list[Run], limit: StepSizeLimit) -> dict[str, Any]:
    past = [before(run, unit) for run in shown for unit in run.dead]
    past = [value for value in past if math.isfinite(value)]
    return {
        "edge": 2.0,
        "window": BEFORE,
        "before_deaths": _or_none(float(np.median(past)) if past else math.nan),
        "runs": [
            {"rate": r.rate, "seed": r.seed, "gauge": _or_none(settled(r))}
            for r in shown
        ],
        "probes": [
            {"rate": rate, "gauge": value}
            for rate, value in zip(limit.rates, limit.gauges, strict=True)
        ],
        "exponent": _or_none(limit.exponent),
    }


def _round(rate: float) -> float:
    """Two digits are enough for a rate to show."""
    return float(f"{rate:.2g}")


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
