"""Output units that die: the case of a learning rate a little too large.

The network: one hidden layer of 100, ReLU in hidden and output layer, one-hot targets,
loss ½·Σ(y − t)² over the outputs of one sample, plain SGD with one sample a step,
weights N(0, std 0.01), biases zero (on the 8×8 digits 0.1 in the output layer). On
MNIST 0.05 trains and 0.08 does not; the threshold lies where the step gauge reaches 2.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reluctant.cases._data import Digits, load_digits
from reluctant.cases._dying_output_figures import draw
from reluctant.cases._dying_output_watched import watched
from reluctant.cases._relu_net import Run
from reluctant.cases._relu_net_kind import HIDDEN, OUTPUTS, STD
from reluctant.cases._relu_nets import Job, fused, train_all
from reluctant.cases._result import CaseResult
from reluctant.lab._step_size_limit import StepSizeLimit, Terms, find_limit
from reluctant.records import ReluctantError

TOLERANCE = 0.04  # of a seed's threshold: bisection stops there
START = 0.01  # far below any threshold seen; the gauge leads on from here
AROUND = (0.85, 1.2)  # of the prediction: where the bisection begins
PROBE_STEPS = 12_000  # of each training that the gauge is extrapolated from
GAUGE_EVERY = 10
BEFORE = 500  # steps before a death that the gauge is told of
CONTROL = 0.3  # of the predicted limit: what fails here does not fail by its step size
ROUNDS = 5  # of candidates for seeds whose outputs all learn at the control rate


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


def _plan(data: Digits, quick: bool) -> Plan:
    if data.name == "MNIST":
        rates = (0.05, 0.08) if quick or not fused() else (0.05, 0.06, 0.07, 0.08)
        seeds, epochs = (3, 1) if quick else (5, 3)
        return (
            Plan(seeds, epochs, rates, False) if fused() else Plan(2, 1, rates, False)
        )
    seeds, epochs = (4, 12) if quick else (6, 20)
    if not fused():
        seeds, epochs = (2, 8) if quick else (3, 16)
    return Plan(seeds, epochs, (0.6, 1.2, 1.6), True)


def run(
    *, data: Path | None, quick: bool, seed: int, progress: Callable[[str], None]
) -> CaseResult:
    """Predict the threshold, measure it, train on both sides of it, and diagnose."""
    digits = load_digits(data)
    plan = _plan(digits, quick)
    progress(f"{digits.name}: predicting the threshold from lower learning rates")
    limit, probed = _predict(digits, seed, progress)
    near = limit.value if math.isfinite(limit.value) else 0.1
    control = near * CONTROL
    seeds, aside = _healthy(digits, seed, control, plan, progress)
    searched = _bisect(digits, seeds, near, control, plan, progress)
    thresholds = [
        _middle([run for run in searched if run.seed == s], control) for s in seeds
    ]
    measured = float(np.median(thresholds))
    rates = [_round(r * measured) if plan.relative else r for r in plan.rates]
    progress(
        f"training at {', '.join(f'{r:g}' for r in rates)}, {len(seeds)} seeds each"
    )
    shown = train_all(
        digits,
        [Job(rate, s) for rate in rates for s in seeds],
        epochs=plan.epochs,
        gauge_every=GAUGE_EVERY,
        deaths=True,
    )
    progress("watching one failing and one working training in torch")
    diagnoses = watched(
        digits, {"failing": 1.6 * measured, "working": measured / 2}, seed
    )
    numbers: dict[str, Any] = {
        "case": "dying-output",
        "data": digits.name,
        "samples": len(digits.train_x),
        "net": [digits.inputs, HIDDEN, OUTPUTS],
        "init_std": STD,
        "head_bias": digits.head_bias,
        "loss": "sum((y - t)**2) / 2",
        "epochs": plan.epochs,
        "control": {"rate": control, "set_aside": aside},
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
            "steps_to_measure": sum(r.steps for r in searched),
        },
        "gauge": _gauges(shown, limit),
        "diagnosis": diagnoses,
    }
    return CaseResult(
        name="dying-output",
        story=tuple(_tell(digits, plan, shown, numbers)),
        numbers=numbers,
        figures=draw(digits, shown, searched, numbers["threshold"]),
    )


def _predict(
    data: Digits, seed: int, progress: Callable[[str], None]
) -> tuple[StepSizeLimit, int]:
    """Extrapolate the gauge; also the steps that it took."""
    steps = 0
    few = min(len(data.train_x), PROBE_STEPS)
    part = replace(data, train_x=data.train_x[:few], train_y=data.train_y[:few])

    def probe(rate: float) -> Terms:
        nonlocal steps
        (run,) = train_all(
            part,
            [Job(rate, seed)],
            epochs=round(PROBE_STEPS / few),
            gauge_every=GAUGE_EVERY,
            notify=progress,
        )
        steps += run.steps
        terms: Terms = run.terms[len(run.terms) // 2 :]  # curvature has risen by then
        return terms

    return find_limit(probe, start=START, progress=progress, seed=seed), steps


def _healthy(
    data: Digits,
    seed: int,
    rate: float,
    plan: Plan,
    progress: Callable[[str], None],
) -> tuple[list[int], list[dict[str, Any]]]:
    """Seeds whose outputs all learn at a low rate, and those that were passed over.

    With small initial weights some outputs fall silent in their first steps, at any
    learning rate: the step size is not to blame for those.
    """
    kept: list[int] = []
    aside: list[dict[str, Any]] = []
    for start in range(seed, seed + ROUNDS * plan.seeds, plan.seeds):
        jobs = [Job(rate, s) for s in range(start, start + plan.seeds)]
        for run in train_all(data, jobs, epochs=plan.epochs):
            if len(kept) == plan.seeds:
                break
            if silent := run.unlearned(data):
                aside.append({"seed": run.seed, "outputs": silent})
            else:
                kept.append(run.seed)
        progress(f"control at {rate:.3g}: {len(kept)} seeds learn with all outputs")
        if len(kept) == plan.seeds:
            break
    if not kept:
        raise ReluctantError(
            f"none of {ROUNDS * plan.seeds} seeds from {seed} on learned with all its "
            f"outputs at learning rate {rate:.3g}: give another seed."
        )
    return kept, aside


def _bisect(
    data: Digits,
    seeds: Sequence[int],
    near: float,
    control: float,
    plan: Plan,
    progress: Callable[[str], None],
) -> list[Run]:
    """Trainings that close in, seed by seed, on where outputs begin to die."""
    low = dict.fromkeys(seeds, control)  # the highest rate that trained
    high = dict.fromkeys(seeds, math.inf)  # the lowest above it that did not
    runs: list[Run] = []
    while wide := [s for s in seeds if high[s] > low[s] * (1 + TOLERANCE)]:
        jobs = [Job(_between(low[s], high[s], near, control), s) for s in wide]
        found = train_all(data, jobs, epochs=plan.epochs)
        for run in found:
            if run.outcome == "trained":
                low[run.seed] = run.rate
            else:
                high[run.seed] = run.rate
        failed = sum(run.outcome != "trained" for run in found)
        between = f"{min(j.rate for j in jobs):.3g} to {max(j.rate for j in jobs):.3g}"
        progress(f"learning rates {between}: {failed} of {len(found)} lost outputs")
        runs += found
    return runs


def _between(low: float, high: float, near: float, control: float) -> float:
    """The next rate to try: around the prediction first, then halfway."""
    if high == math.inf:
        below = low == control
        return near * AROUND[0] if below else max(near * AROUND[1], low * 1.2)
    return math.sqrt(low * high)


def _middle(runs: list[Run], control: float) -> float:
    """Between the highest rate that trained and the lowest that failed above it."""
    low = max([control, *(run.rate for run in runs if run.outcome == "trained")])
    high = min(r.rate for r in runs if r.outcome != "trained" and r.rate > low)
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
                "gauge_before": _or_none(_before(run, unit)),
            }
            for unit in run.dead
        ],
    }


def _gauges(shown: list[Run], limit: StepSizeLimit) -> dict[str, Any]:
    before = [_before(run, unit) for run in shown for unit in run.dead]
    before = [value for value in before if math.isfinite(value)]
    return {
        "edge": 2.0,
        "window": BEFORE,
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


def _before(run: Run, unit: int) -> float:
    """The gauge of the steps before an output died; nan if it never fired."""
    died = int(run.last_fired[unit])
    return run.gauge(died - BEFORE, died) if died >= 0 else math.nan


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
    biases = "biases zero"
    if data.head_bias:
        biases = f"biases zero, {data.head_bias:g} in the output layer"
    story = [
        f"A {net} network learns {data.name} ({len(data.train_x):,} images): ReLU in "
        "the hidden and in the output layer, one-hot targets, loss ½·Σ(y − t)², one "
        f"sample a step, plain SGD, weights N(0, {STD}), {biases}, {plan.epochs} "
        "epochs." + ("" if fused() else " (Without Numba: fewer and shorter runs.)"),
        _of_control(numbers["control"], plan),
        f"Threshold: over {plan.seeds} seeds, output units begin to die for good at "
        f"learning rate {limit['measured']:.3g} (seeds from {limit['interval'][0]:.3g} "
        f"to {limit['interval'][1]:.3g}). " + _prediction(limit),
    ]
    for rate in dict.fromkeys(run.rate for run in shown):
        story.append(_of_rate([run for run in shown if run.rate == rate]))
    if gauge["before_deaths"] is not None:
        working = [r for r in shown if r.outcome == "trained"]
        calm = (
            f" In trainings that kept all outputs its mean over the second half was "
            f"{_span([_settled(r) for r in working])}."
            if working
            else ""
        )
        story.append(
            "The step gauge is G = E[uᵀHu] / E[gᵀu], 2 where the average step no "
            "longer lowers the loss of its own sample. In the "
            f"{gauge['window']:,} steps before an output died its median was "
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


def _of_control(control: dict[str, Any], plan: Plan) -> str:
    aside = control["set_aside"]
    if not aside:
        return (
            f"At learning rate {control['rate']:.2g} all outputs of all {plan.seeds} "
            "seeds learn."
        )
    which = ", ".join(str(a["seed"]) for a in aside)
    return (
        f"At learning rate {control['rate']:.2g}, far below the limit, "
        f"{len(aside)} of {plan.seeds + len(aside)} seeds leave an output that never "
        f"learns its digit (seeds {which}): silenced in the first steps by the initial "
        "weights, not by the step size. They are set aside; what follows is about "
        f"{plan.seeds} seeds that learn everything there."
    )


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
    """How the seeds fared at one rate, and when the outputs of one of them died."""
    lost = [run for run in runs if run.dead]
    scores = [run.test[-1] for run in runs]
    text = (
        f"Learning rate {runs[0].rate:g}: {len(lost)} of {len(runs)} seeds lost "
        "outputs; "
        f"{min(scores):.1%} to {max(scores):.1%} of test images right at the end."
    )
    if not lost:
        return text
    told = max(lost, key=lambda run: max(run.test) - run.test[-1])
    deaths = ", ".join(
        f"{unit} at step {told.last_fired[unit]:,}"
        if told.last_fired[unit] >= 0
        else f"{unit} never fired"
        for unit in sorted(told.dead, key=lambda k: int(told.last_fired[k]))
    )
    return (
        f"{text} Seed {told.seed} fell from {max(told.test):.1%} to "
        f"{told.test[-1]:.1%}; its dead outputs fired for the last time: {deaths}."
    )


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.2f}" if high - low < 0.01 else f"{low:.2f} to {high:.2f}"


def _round(rate: float) -> float:
    """Two digits are enough for a rate to show."""
    return float(f"{rate:.2g}")


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
