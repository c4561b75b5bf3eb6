"""Output units that die: the case of a learning rate a little too large.

The network: one hidden layer of 100, ReLU in hidden and output layer, one-hot targets,
loss ½·Σ(y − t)² over the outputs of one sample, plain SGD with one sample a step,
weights N(0, std 0.01), biases zero. On MNIST 0.05 trains and 0.08 does not; the
threshold lies where the step gauge reaches 2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reluctant.cases._data import Digits, load_digits
from reluctant.cases._dying_output_figures import draw
from reluctant.cases._dying_output_watched import watched
from reluctant.cases._relu_net import HIDDEN, OUTPUTS, STD, Run, train
from reluctant.cases._result import CaseResult
from reluctant.lab._step_size_limit import StepSizeLimit, Terms, find_limit

TOLERANCE = 0.04  # of a seed's threshold: bisection stops there
START = 0.01  # far below any threshold seen; the gauge leads on from here
AROUND = (0.85, 1.2)  # of the prediction: where the bisection begins


@dataclass(frozen=True)
class Plan:
    """How much work to put in.

    Attributes:
        seeds: Trainings of each kind.
        epochs: Of each training.
        rates: Learning rates to show, or multiples of the measured threshold.
        relative: Whether they are multiples.
    """

    seeds: int
    epochs: int
    rates: tuple[float, ...]
    relative: bool


def _plan(data: Digits, quick: bool) -> tuple[Digits, Plan]:
    mnist = data.name == "MNIST"
    if mnist and quick:
        few = replace(
            data,
            name="the first 30,000 images of MNIST",
            train_x=data.train_x[:30_000],
            train_y=data.train_y[:30_000],
        )
        return few, Plan(2, 1, (0.05, 0.08), False)
    if mnist:
        return data, Plan(3, 2, (0.05, 0.08), False)
    seeds, epochs = (2, 8) if quick else (3, 16)
    return data, Plan(seeds, epochs, (0.6, 1.2, 1.6), True)


def run(
    *, data: Path | None, quick: bool, seed: int, progress: Callable[[str], None]
) -> CaseResult:
    """Predict the threshold, measure it, train on both sides of it, and diagnose."""
    digits, plan = _plan(load_digits(data), quick)
    seeds = range(seed, seed + plan.seeds)
    progress(f"{digits.name}: predicting the threshold from lower learning rates")
    limit, probed = _predict(digits, seed, plan, progress)
    searched = [_bisect(digits, s, limit.value, plan, progress) for s in seeds]
    thresholds = [_middle(runs) for runs in searched]
    measured = float(np.median(thresholds))
    rates = [_round(r * measured) if plan.relative else r for r in plan.rates]
    shown = []
    for rate in rates:
        for s in seeds:
            shown.append(train(digits, rate, s, epochs=plan.epochs, measure=True))
            progress(f"learning rate {rate:g}, seed {s}: {_in_words(shown[-1])}")
    progress("watching one failing and one working training in torch")
    diagnoses = watched(
        digits, {"failing": 2 * measured, "working": measured / 2}, seed
    )
    spent = sum(run.steps for runs in searched for run in runs)
    numbers: dict[str, Any] = {
        "case": "dying-output",
        "data": digits.name,
        "samples": len(digits.train_x),
        "net": [digits.inputs, HIDDEN, OUTPUTS],
        "init_std": STD,
        "loss": "sum((y - t)**2) / 2",
        "epochs": plan.epochs,
        "rates": [
            {"rate": rate, "seeds": [_outcome(r) for r in shown if r.rate == rate]}
            for rate in rates
        ],
        "threshold": {
            "measured": measured,
            "interval": [min(thresholds), max(thresholds)],
            "by_seed": thresholds,
            "tolerance": TOLERANCE,
            "predicted": _or_none(limit.value),
            "predicted_interval": [_or_none(end) for end in limit.interval],
            "predicted_reason": limit.reason,
            "steps_to_predict": probed,
            "steps_to_measure": spent,
        },
        "gauge": _gauges(shown, limit),
        "diagnosis": diagnoses,
    }
    every = [run for runs in searched for run in runs]
    figures = draw(digits, shown, every, numbers["threshold"])
    return CaseResult(
        name="dying-output",
        story=tuple(_tell(digits, plan, shown, numbers)),
        numbers=numbers,
        figures=figures,
    )


def _predict(
    data: Digits, seed: int, plan: Plan, progress: Callable[[str], None]
) -> tuple[StepSizeLimit, int]:
    """Extrapolate the gauge; also the steps that it took."""
    steps = 0
    short = _shorter(data, plan)
    epochs = max(1, plan.epochs // 2)

    def probe(rate: float) -> Terms:
        nonlocal steps
        run = train(short, rate, seed, epochs=epochs, measure=True)
        steps += run.steps
        terms: Terms = run.terms[len(run.terms) // 2 :]  # curvature has risen by then
        return terms

    return find_limit(probe, start=START, progress=progress, seed=seed), steps


def _shorter(data: Digits, plan: Plan) -> Digits:
    """Part of a large data set: its first steps are enough for the gauge."""
    few = min(len(data.train_x), 10_000)
    return replace(data, train_x=data.train_x[:few], train_y=data.train_y[:few])


def _bisect(
    data: Digits, seed: int, near: float, plan: Plan, progress: Callable[[str], None]
) -> list[Run]:
    """Trainings at rates that close in on where outputs begin to die."""
    runs: list[Run] = []

    def fails(rate: float) -> bool:
        runs.append(train(data, rate, seed, epochs=plan.epochs))
        progress(f"seed {seed}, learning rate {rate:.3g}: {_in_words(runs[-1])}")
        return runs[-1].outcome != "trained"

    near = near if math.isfinite(near) else 0.1
    low, high = near * AROUND[0], near * AROUND[1]
    while fails(low):
        low, high = low / 1.3, low
    if len(runs) == 1:
        while not fails(high):
            low, high = high, high * 1.3
    while high / low > 1 + TOLERANCE:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fails(middle) else (middle, high)
    return runs


def _middle(runs: list[Run]) -> float:
    """Between the lowest rate that failed and the highest below it that trained."""
    high = min(run.rate for run in runs if run.outcome != "trained")
    low = max(r.rate for r in runs if r.outcome == "trained" and r.rate < high)
    return math.sqrt(low * high)


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
                "gauge_before": _or_none(run.gauge(int(run.last_fired[unit]))),
            }
            for unit in run.dead
        ],
    }


def _gauges(shown: list[Run], limit: StepSizeLimit) -> dict[str, Any]:
    before = [
        run.gauge(int(run.last_fired[unit]))
        for run in shown
        for unit in run.dead
        if run.last_fired[unit] >= 0
    ]
    return {
        "edge": 2.0,
        "window": shown[0].window,
        "before_deaths": _or_none(float(np.median(before)) if before else math.nan),
        "runs": [
            {"rate": r.rate, "seed": r.seed, "gauge": _or_none(_settled(r))}
            for r in shown
        ],
        "probes": [
            {"rate": rate, "gauge": value}
            for rate, value in zip(limit.rates, limit.gauges, strict=True)
        ],
        "exponent": _or_none(limit.exponent),
    }


def _settled(run: Run) -> float:
    """Over the second half of the run, or as long as something still learned."""
    alive = run.terms[run.terms[:, 0] > 0]
    gain, curvature = alive[len(alive) // 2 :].sum(axis=0)
    return float(curvature / gain) if gain else math.nan


def _tell(
    data: Digits, plan: Plan, shown: list[Run], numbers: dict[str, Any]
) -> list[str]:
    net = "-".join(map(str, numbers["net"]))
    limit, gauge = numbers["threshold"], numbers["gauge"]
    story = [
        f"A {net} network learns {data.name} ({len(data.train_x):,} images): ReLU in "
        "the hidden and in the output layer, one-hot targets, loss ½·Σ(y − t)², one "
        f"sample a step, plain SGD, weights N(0, {STD}), biases zero, {plan.epochs} "
        "epochs. (Trained in place with NumPy, the same steps as torch takes.)",
        f"Threshold: over {plan.seeds} seeds, output units begin to die for good at "
        f"learning rate {limit['measured']:.3g} (seeds from {limit['interval'][0]:.3g} "
        f"to {limit['interval'][1]:.3g}). " + _prediction(limit),
    ]
    for rate in dict.fromkeys(run.rate for run in shown):
        story.append(_of_rate([run for run in shown if run.rate == rate]))
    if gauge["before_deaths"] is not None:
        working = [r for r in shown if r.outcome == "trained"]
        calm = (
            f" In the trainings that worked it settled at "
            f"{_span([_settled(r) for r in working])}."
            if working
            else ""
        )
        story.append(
            "The step gauge is G = E[uᵀHu] / E[gᵀu], 2 where the average step no "
            "longer lowers the loss of its own sample. In the "
            f"{4 * gauge['window']} steps before an output died its median was "
            f"{gauge['before_deaths']:.2f}.{calm} Past the edge steps overshoot, and "
            "one that throws an output below zero for every image leaves it without a "
            "gradient: nothing can bring it back but a change in the layer below."
        )
    story += [
        f"Watched at learning rate {found['rate']:.3g} for {found['steps']:,} steps, "
        f"the {which} training is diagnosed: {found['headline']}"
        for which, found in numbers["diagnosis"].items()
    ]
    return story


def _prediction(limit: dict[str, Any]) -> str:
    if limit["predicted"] is None:
        return f"It could not be predicted: {limit['predicted_reason']}."
    ratio = limit["predicted"] / limit["measured"] - 1
    return (
        f"Predicted from the step gauge at lower rates: {limit['predicted']:.3g} "
        f"({ratio:+.0%}), in {limit['steps_to_predict']:,} steps; to measure it took "
        f"{limit['steps_to_measure']:,}."
    )


def _of_rate(runs: list[Run]) -> str:
    lines = [f"Learning rate {runs[0].rate:g}:"]
    for run in runs:
        deaths = ", ".join(
            f"{unit} at step {run.last_fired[unit]:,}"
            if run.last_fired[unit] >= 0
            else f"{unit} never fired"
            for unit in sorted(run.dead, key=lambda k: run.last_fired[k])
        )
        fate = f"; outputs died: {deaths}" if deaths else ""
        lines.append(
            f"seed {run.seed} {run.outcome}, {run.test[-1]:.1%} of test images right"
            f" (best {max(run.test):.1%}){fate}."
        )
    return " ".join(lines)


def _in_words(run: Run) -> str:
    lost = f", {len(run.dead)} of {OUTPUTS} outputs dead" if run.dead else ""
    return f"{run.outcome} ({run.test[-1]:.1%}{lost})"


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.2f}" if high - low < 0.01 else f"{low:.2f} to {high:.2f}"


def _round(rate: float) -> float:
    """Two digits are enough for a rate to show."""
    return float(f"{rate:.2g}")


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
