"""`dying-output` told in paragraphs, each with its numbers."""

import math
from typing import Any

from reluctant.cases import _dying_output_arms, _dying_output_map
from reluctant.cases._data import Digits
from reluctant.cases._relu_net import Run
from reluctant.cases._relu_net_kind import STD
from reluctant.cases._relu_nets import fused

BEFORE = 500  # steps before a death that the gauge is told of
_FALL = 0.05  # of the score, from which on it is told
_TOLD = 3  # deaths told one by one


def tell(data: Digits, shown: list[Run], numbers: dict[str, Any]) -> list[str]:
    """All paragraphs."""
    rates = dict.fromkeys(run.rate for run in shown)
    return [
        _of_net(data, numbers),
        _of_control(numbers["control"]),
        _of_threshold(numbers["threshold"]),
        _dying_output_map.tell(numbers["map"]),
        *[_of_rate([run for run in shown if run.rate == rate]) for rate in rates],
        *_of_gauge(numbers["gauge"], [r for r in shown if r.outcome == "trained"]),
        *_dying_output_arms.tell(numbers["arms"]),
        *_of_watching(numbers["diagnosis"]),
    ]


def before(run: Run, unit: int) -> float:
    """The gauge of the steps before an output died; nan if it never fired."""
    died = int(run.last_fired[unit])
    return run.gauge(died - BEFORE, died) if died >= 0 else math.nan


def settled(run: Run) -> float:
    """Over the second half of the run, or as long as something still learned."""
    alive = run.terms[run.terms[:, 0] > 0]
    gain, curvature = alive[len(alive) // 2 :].sum(axis=0)
    return float(curvature / gain) if gain else math.nan


def _of_net(data: Digits, numbers: dict[str, Any]) -> str:
    net = "-".join(map(str, numbers["net"]))
    biases = "biases zero"
    if data.head_bias:
        biases = f"biases zero, {data.head_bias:g} in the output layer"
    return (
        f"A {net} network learns {data.name} ({len(data.train_x):,} images): ReLU in "
        "the hidden and in the output layer, one-hot targets, loss ½·Σ(y − t)², one "
        f"sample a step, plain SGD, weights N(0, {STD}), {biases}, "
        f"{numbers['epochs']} {'epoch' if numbers['epochs'] == 1 else 'epochs'}."
        + ("" if fused() else " (Without Numba: fewer and shorter runs.)")
    )


def _of_control(control: dict[str, Any]) -> str:
    aside, kept = control["set_aside"], control["seeds"]
    if not aside:
        return (
            f"At learning rate {control['rate']:.2g} all outputs of all {len(kept)} "
            "seeds learn."
        )
    which = ", ".join(str(a["seed"]) for a in aside)
    return (
        f"At learning rate {control['rate']:.2g}, far below the limit, "
        f"{len(aside)} of {len(kept) + len(aside)} seeds leave an output that never "
        f"learns its digit (seeds {which}): silenced in the first steps by the initial "
        "weights, not by the step size. They are set aside; what follows is about "
        f"{len(kept)} seeds that learn everything there."
    )


def _of_threshold(limit: dict[str, Any]) -> str:
    (low, high), (least, most) = limit["interval"], limit["range"]
    return (
        f"Threshold: from learning rate {limit['measured']:.3g} on half of the seeds "
        f"lose output units for good (median of {len(limit['by_seed'])} seeds, "
        f"{low:.3g} to {high:.3g} with {limit['coverage']:.0%} confidence; single "
        f"seeds from {least:.3g} to {most:.3g}). " + _prediction(limit)
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
    units = sorted(told.dead, key=lambda k: int(told.last_fired[k]))
    deaths = ", ".join(
        f"{unit} at step {told.last_fired[unit]:,}"
        if told.last_fired[unit] >= 0
        else f"{unit} never"
        for unit in units[:_TOLD]
    )
    if (more := len(units) - _TOLD) > 0:
        deaths += f", and {more} more by step {told.last_fired[units[-1]]:,}"
    way = f"ended at {told.test[-1]:.1%}"
    if max(told.test) - told.test[-1] > _FALL:
        way = f"fell from {max(told.test):.1%} to {told.test[-1]:.1%}"
    return f"{text} Seed {told.seed} {way}; its dead outputs fired last: {deaths}."


def _of_gauge(gauge: dict[str, Any], working: list[Run]) -> list[str]:
    if gauge["before_deaths"] is None:
        return []
    calm = ""
    if working:
        span = _span([settled(run) for run in working])
        calm = (
            " In trainings that kept all outputs its mean over the second half was "
            f"{span}."
        )
    return [
        "The step gauge is G = E[uᵀHu] / E[gᵀu], 2 where the average step no "
        f"longer lowers the loss of its own sample. In the {gauge['window']:,} steps "
        f"before an output died its median was {gauge['before_deaths']:.2f}.{calm} "
        "Past the edge steps overshoot, and one that throws an output below zero for "
        "every image leaves it without a gradient: nothing can bring it back but a "
        "change in the layer below."
    ]


def _of_watching(diagnosis: dict[str, Any]) -> list[str]:
    return [
        f"Watched at learning rate {found['rate']:.3g} for {found['steps']:,} steps, "
        f"the {which} training is diagnosed: {found['headline']}."
        for which, found in diagnosis.items()
    ]


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.2f}" if high - low < 0.01 else f"{low:.2f} to {high:.2f}"
