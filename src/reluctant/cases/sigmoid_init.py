"""A net written for logistic units that starves as a ReLU net: the case of its start.

Three hidden layers of 30, a softmax head, weights N(0, std 0.01): with logistic units
it learns. The asker changed the activation and its derivative to ReLU and nothing else:
now only the biases of the classes learn. A logistic unit gives ½ whatever its weights
are, so the layer above always has something to learn from; a ReLU gives what it gets.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reluctant.cases._data import Digits, load_digits
from reluctant.cases._result import CaseResult
from reluctant.cases._sigmoid_init_figures import draw
from reluctant.cases._sigmoid_init_nets import (
    ARMS,
    BATCH,
    CHANGED,
    CLASSES,
    DECAYED,
    HE,
    HIDDEN,
    OLD,
    SMALL,
    STARVED,
    UNIFORM,
    Outcome,
    Signals,
    constant_loss,
    norms,
    signals,
    train,
)
from reluctant.cases._sigmoid_init_watched import watched

RATES = (0.1, 0.5)  # further ones at which the old start is tried with ReLU
WATCHED = 600  # steps


def run(
    *, data: Path | None, quick: bool, seed: int, progress: Callable[[str], None]
) -> CaseResult:
    """Train the old net, the changed one and the repaired; say why one fails."""
    digits, seeds, epochs = _plan(load_digits(data), quick)
    every = range(seed, seed + seeds)
    outcomes = []
    for arm in ARMS:
        outcomes += train(digits, (arm,), every, epochs=epochs, progress=progress)
        progress(f"{arm.name}, rate {arm.rate:g}: {_in_words(outcomes[-seeds:])}")
    further = tuple(replace(STARVED, rate=rate) for rate in RATES)
    tried = train(digits, further, every, epochs=epochs, progress=progress)
    shown = [(arm, signals(digits, arm, seed)) for arm in (OLD, STARVED, UNIFORM, HE)]
    last = outcomes[0].run.steps
    steps = [0, *(round(last * part) for part in (1 / 8, 1 / 4, 1 / 2, 1))]
    progress("following the norms of the weights")
    kept = [
        (arm, norms(digits, arm, seed, steps=steps))
        for arm in (OLD, STARVED, DECAYED, UNIFORM, HE)
    ]
    diagnosis = {}
    for name, arm in (("starved", STARVED), ("uniform", UNIFORM), ("he", HE)):
        progress(f"watching {arm.name} in torch")
        diagnosis[name] = watched(digits, arm, seed, WATCHED)
    constant = constant_loss(digits)
    numbers: dict[str, Any] = {
        "case": "sigmoid-init",
        "data": digits.name,
        "samples": len(digits.train_x),
        "net": [digits.inputs, *HIDDEN, CLASSES],
        "batch_size": BATCH,
        "init_std": SMALL,
        "epochs": epochs,
        "steps": last,
        "best_constant_loss": constant,
        "arms": {
            arm.name: _told([o for o in outcomes if o.arm == arm]) for arm in ARMS
        },
        "starved_by_rate": {
            f"{arm.rate:g}": _told([o for o in tried if o.arm == arm])
            for arm in further
        },
        "signals": {arm.name: _by_depth(found) for arm, found in shown},
        "norms": {
            arm.name: {
                "steps": steps,
                "weights": [weights for weights, _ in found],
                "class_biases": [biases for _, biases in found],
            }
            for arm, found in kept
        },
        "diagnosis": diagnosis,
    }
    return CaseResult(
        name="sigmoid-init",
        story=tuple(_tell(digits, numbers)),
        numbers=numbers,
        figures=draw(digits, outcomes, shown, steps, kept, constant),
    )


def _plan(data: Digits, quick: bool) -> tuple[Digits, int, int]:
    """The data, how many seeds, how many epochs."""
    if data.name != "MNIST":
        return data, 2 if quick else 5, 60
    if not quick:
        return data, 3, 4
    few = replace(
        data,
        name="the first 20,000 images of MNIST",
        train_x=data.train_x[:20_000],
        train_y=data.train_y[:20_000],
    )
    return few, 2, 6


def _told(outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "rate": outcomes[0].arm.rate,
        "weight_decay": outcomes[0].arm.decay,
        "n": len(outcomes),
        "learned": sum(o.learned for o in outcomes),
        "seeds": [
            {
                "seed": o.seed,
                "accuracy": o.accuracy,
                "loss": o.loss,
                "learned_at": o.first_learned,
            }
            for o in outcomes
        ],
    }


def _by_depth(found: Signals) -> dict[str, Any]:
    return {
        "preactivation_rms": [float(v) for v in found.size],
        "varying_rms": [float(v) for v in found.varying],
        "gradient_rms": [float(v) for v in found.gradient],
        "class_bias_gradient_rms": found.class_bias,
    }


def _tell(data: Digits, numbers: dict[str, Any]) -> list[str]:
    net = "-".join(map(str, numbers["net"]))
    arms, depth, kept = numbers["arms"], numbers["signals"], numbers["norms"]
    starved, old = depth[STARVED.name], depth[OLD.name]
    grads, old_grads = starved["gradient_rms"], old["gradient_rms"]
    other = numbers["starved_by_rate"]
    still, gone = kept[STARVED.name]["weights"], kept[DECAYED.name]["weights"]
    learned_biases = kept[STARVED.name]["class_biases"][-1]
    return [
        f"A {net} network learns {data.name} ({len(data.train_x):,} images): softmax "
        f"head, cross-entropy, plain SGD, minibatches of {BATCH}, weights "
        f"N(0, {SMALL}), biases zero, {numbers['epochs']} epochs. Learned means 85 % "
        "of the test images right. With logistic units, "
        f"{_of_arm(arms[OLD.name])}. With ReLU, its derivative, and nothing else "
        f"changed, {_of_arm(arms[CHANGED.name])}. At further learning rates: "
        + "; ".join(_of_arm(told) for told in (arms[STARVED.name], *other.values()))
        + ".",
        "Why: std 0.01 multiplies what differs between images by "
        f"{_factor(starved['varying_rms'])} a layer, so "
        f"an RMS of {starved['varying_rms'][-1]:.0e} reaches the head. Logistic units "
        f"lose it too ({old['varying_rms'][-1]:.0e}), but each puts out ½ whatever it "
        "gets, and from that the layer above learns: the gradient of the head's "
        f"weights is {old_grads[-1]:.0e} there, {grads[-1]:.0e} with ReLU, and that of "
        f"the first layer {grads[0]:.0e}. The biases of the classes get "
        f"{starved['class_bias_gradient_rms']:.0e}, and for long are all that learns.",
        f"What is left: a loss of {_middle(arms[STARVED.name]):.4f} where the best "
        f"constant has {numbers['best_constant_loss']:.4f}. The norm of all weights "
        f"goes from {still[0]:.3g} to {still[-1]:.3g}, that of the classes' biases "
        f"from 0 to {learned_biases:.2g}. Where a weight decay of {DECAYED.decay:g} is "
        f"on (rate {DECAYED.rate:g}), nothing holds against it, and the weights run "
        f"from {gone[0]:.3g} to {gone[-1]:.1e}.",
        f"Another start is enough: {UNIFORM.name}: {_of_arm(arms[UNIFORM.name])}. "
        f"{HE.name}: {_of_arm(arms[HE.name])}.",
    ] + [
        f"Watched for {found['steps']:,} steps, {found['arm']} at rate "
        f"{found['rate']:g} is diagnosed: {found['headline']}"
        for found in numbers["diagnosis"].values()
    ]


def _of_arm(told: dict[str, Any]) -> str:
    accuracies = [one["accuracy"] for one in told["seeds"]]
    reached = [one["learned_at"] for one in told["seeds"] if one["learned_at"]]
    after = f", first after {int(np.median(reached)):,} steps" if reached else ""
    return (
        f"rate {told['rate']:g}, {told['learned']} of {told['n']} seeds learn "
        f"(test images right {min(accuracies):.1%} to {max(accuracies):.1%}{after})"
    )


def _factor(values: list[float]) -> str:
    return f"{(values[-1] / values[0]) ** (1 / (len(values) - 1)):.2g}"


def _middle(told: dict[str, Any]) -> float:
    return float(np.median([one["loss"] for one in told["seeds"]]))


def _in_words(outcomes: list[Outcome]) -> str:
    return ", ".join(f"{o.accuracy:.1%}" for o in outcomes)
