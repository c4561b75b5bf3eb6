"""What was said about starts: ±0.5 learns quickly, a small one only the bias."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._data import load_digits
from reluctant.cases.claims._compare import Scale, always, bars, shares
from reluctant.lab.engines import (
    Dataset,
    MLPSpec,
    Parameters,
    Run,
    evaluate,
    train_many,
)
from reluctant.records import ClaimResult

NETS = {
    "3 hidden layers of 30": (30,) * 3,
    "3 hidden layers of 200": (200,) * 3,
    "8 hidden layers of 30": (30,) * 8,
}
QUICKLY, LEARNED = 5, 0.85  # epochs; share of test images
RATE, BATCH, CLASSES = 0.02, 10, 10
Draw = Literal["uniform", "torch", "small"]


def _train(
    hidden: tuple[int, ...], draw: Draw, seeds: Sequence[int], epochs: int, scale: Scale
) -> tuple[list[Run], MLPSpec, Dataset]:
    data = load_digits(None)
    spec = MLPSpec(
        (data.inputs, *hidden, CLASSES), loss="cross_entropy", batch_size=BATCH
    )
    test = Dataset(data.test_x, data.test_y)
    runs = train_many(
        spec,
        [_start(spec.widths, draw, seed) for seed in seeds],
        Dataset(data.train_x, data.train_y),
        learning_rates=np.full(len(seeds), RATE),
        steps=epochs * spec.steps_per_epoch(len(data.train_x)),
        seeds=seeds,
        validation=test,
        notify=scale.progress,
    )
    return runs, spec, test


def _start(widths: tuple[int, ...], draw: Draw, seed: int) -> Parameters:
    random = np.random.default_rng([seed, 8])
    pairs: Parameters = []
    for fan_in, fan_out in pairwise(widths):
        bound = 0.5 if draw == "uniform" else 1 / math.sqrt(fan_in)
        weight: NDArray[np.float64] = random.uniform(-bound, bound, (fan_out, fan_in))
        if draw == "small":
            weight = random.normal(0, 0.01, (fan_out, fan_in))
        bias = (
            random.uniform(-bound, bound, fan_out)
            if draw == "torch"
            else np.zeros(fan_out)
        )
        pairs.append((weight.astype(np.float32), bias.astype(np.float32)))
    return pairs


def uniform_half(scale: Scale) -> ClaimResult:
    """U(−0.5, 0.5) against torch's own start."""
    seeds, found = scale.seeds(40, 100), []
    for setting, hidden in NETS.items():
        won = {}
        for draw in ("torch", "uniform"):
            runs, _, _ = _train(hidden, draw, seeds, QUICKLY, scale)
            won[draw] = [bool(r.records.validation_score[-1] >= LEARNED) for r in runs]
            scale.progress(f"{setting}, {draw}: {sum(won[draw])} of {len(seeds)} learn")
        found.append(
            shares(
                setting,
                ("torch's default", won["torch"]),
                ("U(−0.5, 0.5)", won["uniform"]),
            )
        )
    name, measure = "uniform-half", f"seeds that learn within {QUICKLY} epochs"
    return ClaimResult(
        name=name,
        case="sigmoid-init",
        claim="Weights drawn evenly from −0.5 to 0.5 learn quickly with ReLU.",
        population=f"{len(seeds)} seeds a network on the 8×8 digits, softmax head, SGD "
        f"{RATE}, minibatches of {BATCH}; learned means {LEARNED:.0%} of test images; "
        "the same order of samples in both arms",
        measure=measure,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(name, "U(−0.5, 0.5): how often it learns quickly", measure, found),
        remark="±0.5 has the scale of He's start where fan-in is 24; a layer of 200 "
        "amplifies threefold.",
    )


def small_start(scale: Scale) -> ClaimResult:
    """N(0, 0.01) in a deep net: are the biases of the classes all that learns?"""
    seeds, found = scale.seeds(40, 100), []
    for setting, hidden in NETS.items():
        runs, spec, test = _train(hidden, "small", seeds, 20, scale)
        only = [_is_constant(spec, run, test) for run in runs]
        scale.progress(f"{setting}: {sum(only)} of {len(seeds)} give one answer")
        found.append(always(setting, "N(0, 0.01)", only, least=0.9))
    name = "small-start"
    measure = "seeds whose outputs are the same for every image, to 1 %"
    return ClaimResult(
        name=name,
        case="sigmoid-init",
        claim="A start that is too small learns the biases of the classes alone.",
        population=f"{len(seeds)} seeds a network on the 8×8 digits, softmax head, SGD "
        f"{RATE}, minibatches of {BATCH}, 20 epochs, weights N(0, 0.01), biases zero",
        measure=measure,
        is_share=True,
        comparisons=tuple(found),
        figure=bars(name, "A small start: how often one answer is all", measure, found),
        remark="One answer: the part of the logits that differs between images is "
        "below 1 % of the part that differs between classes, or the loss is not below "
        "that of the best constant.",
    )


def _is_constant(spec: MLPSpec, run: Run, test: Dataset) -> bool:
    outputs = _logits(run.parameters, np.asarray(test.inputs, np.float64))
    between = float(outputs.var(axis=0).mean())
    of_bias = float(outputs.mean(axis=0).var())
    loss, _ = evaluate(spec, run.parameters, test)
    counts = np.bincount(np.asarray(test.targets).reshape(-1), minlength=CLASSES)
    share = counts[counts > 0] / counts.sum()
    constant = -float((share * np.log(share)).sum())
    return between < 1e-2 * of_bias or loss >= constant


def _logits(net: Parameters, h: NDArray[np.float64]) -> NDArray[np.float64]:
    for layer, (weight, bias) in enumerate(net):
        h = h @ weight.T + (0 if bias is None else bias)
        if layer < len(net) - 1:
            h = np.maximum(h, 0)
    return h
