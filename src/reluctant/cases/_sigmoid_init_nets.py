"""The networks of `sigmoid-init`: how they start, and what becomes of each.

Longer than most files: starts, trainings and signals share their few types.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._data import Digits
from reluctant.lab.engines import SGD, Dataset, MLPSpec, Parameters, Run, train_many

Floats: TypeAlias = NDArray[np.float64]
HIDDEN, CLASSES, BATCH = (30, 30, 30), 10, 10
SMALL, HALF = 0.01, 0.5  # deviation of the old start, end of the uniform one
LEARNED = 0.85  # share of test images classified rightly


@dataclass(frozen=True)
class Arm:
    """One way to start and to train.

    Attributes:
        name: As the story tells it.
        activation: Of the hidden layers.
        draw: Of the weights; biases begin at zero.
        rate: Learning rate of plain SGD.
        decay: Weight decay.
    """

    name: str
    activation: Literal["sigmoid", "relu"]
    draw: Literal["small", "uniform", "he"]
    rate: float
    decay: float = 0.0

    def start(self, seed: int, inputs: int) -> Parameters:
        """First parameters; arms of one draw begin with the same weights."""
        random = np.random.default_rng([seed, 6])
        widths = (inputs, *HIDDEN, CLASSES)
        pairs: Parameters = []
        for fan_in, fan_out in pairwise(widths):
            shape = fan_out, fan_in
            if self.draw == "uniform":
                weight = random.uniform(-HALF, HALF, shape)
            else:
                std = SMALL if self.draw == "small" else math.sqrt(2 / fan_in)
                weight = random.normal(0, std, shape)
            bias = np.zeros(fan_out, np.float32)
            pairs.append((weight.astype(np.float32), bias))
        return pairs

    def spec(self, inputs: int) -> MLPSpec:
        """For the engine: the head's softmax is part of the loss."""
        return MLPSpec(
            (inputs, *HIDDEN, CLASSES),
            hidden=self.activation,
            loss="cross_entropy",
            optimizer=SGD(weight_decay=self.decay),
            batch_size=BATCH,
        )


OLD = Arm("logistic, N(0, 0.01)", "sigmoid", "small", 2.0)
CHANGED = Arm("ReLU, all else as it was", "relu", "small", 2.0)
STARVED = Arm("ReLU, N(0, 0.01)", "relu", "small", 0.02)
DECAYED = Arm("the same with weight decay 0.001", "relu", "small", 1.0, 0.001)
UNIFORM = Arm("ReLU, U(−0.5, 0.5)", "relu", "uniform", 0.02)
HE = Arm("ReLU, He", "relu", "he", 0.02)
ARMS = (OLD, CHANGED, STARVED, DECAYED, UNIFORM, HE)


@dataclass(frozen=True)
class Outcome:
    """One training.

    Attributes:
        arm: How it began.
        seed: Of weights and of the order of samples.
        run: What the engine did.
    """

    arm: Arm
    seed: int
    run: Run

    @property
    def accuracy(self) -> float:
        """Share of test images classified rightly at the end."""
        return float(self.run.records.validation_score[-1])

    @property
    def loss(self) -> float:
        """Mean cross-entropy over the steps of the last record."""
        return float(self.run.records.loss[-1])

    @property
    def learned(self) -> bool:
        """Whether enough test images are classified rightly."""
        return self.accuracy >= LEARNED

    @property
    def first_learned(self) -> int | None:
        """Steps until it was so first; None if never."""
        records = self.run.records
        at = np.flatnonzero(records.validation_score >= LEARNED)
        return int(records.step[at[0]]) if at.size else None


def train(
    data: Digits,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    *,
    epochs: int,
    progress: Callable[[str], None],
) -> list[Outcome]:
    """Train each arm from each seed."""
    dataset, held_out = _datasets(data)
    found = []
    for arm in arms:
        spec = arm.spec(data.inputs)
        steps = epochs * spec.steps_per_epoch(len(dataset))
        runs = train_many(
            spec,
            [arm.start(seed, data.inputs) for seed in seeds],
            dataset,
            learning_rates=np.full(len(seeds), arm.rate),
            steps=steps,
            seeds=seeds,
            record_every=max(1, steps // 60),
            validation=held_out,
            notify=progress,
        )
        found += [Outcome(arm, s, run) for s, run in zip(seeds, runs, strict=True)]
    return found


def norms(
    data: Digits, arm: Arm, seed: int, *, steps: Sequence[int]
) -> list[tuple[float, float]]:
    """Norm of all weights, and of the biases of the classes, after so many steps.

    Each is a training of its own from the start: asked for fewer steps, the engine
    takes the very same ones.
    """
    dataset, _ = _datasets(data)
    found = []
    for count in steps:
        net = arm.start(seed, data.inputs)
        if count:
            (run,) = train_many(
                arm.spec(data.inputs),
                [net],
                dataset,
                learning_rates=[arm.rate],
                steps=count,
                seeds=[seed],
                record_every=count,
                threads=1,
            )
            net = run.parameters
        weights = math.sqrt(sum(float((w.astype(float) ** 2).sum()) for w, _ in net))
        last = net[-1][1]
        assert last is not None
        found.append((weights, float(np.linalg.norm(last.astype(float)))))
    return found


@dataclass(frozen=True)
class Signals:
    """What one pass forward and back shows, layer by layer, before the first step.

    Attributes:
        size: Root mean square of each layer's pre-activation, shape `(layers,)`.
        varying: Of the part of it that differs between images, shape `(layers,)`.
        gradient: Root mean square of the gradient of each weight, shape `(layers,)`.
        class_bias: Root mean square of the gradient of the classes' biases.
    """

    size: Floats
    varying: Floats
    gradient: Floats
    class_bias: float


def signals(data: Digits, arm: Arm, seed: int, *, samples: int = 500) -> Signals:
    """Send some images through a network at its start, and the loss back."""
    net = [(w.astype(float), b) for w, b in arm.start(seed, data.inputs)]
    h = data.train_x[:samples].astype(float)
    given, size, varying = [h], [], []
    for w, _ in net:
        z = h @ w.T  # biases are zero
        size.append(math.sqrt(float((z**2).mean())))
        varying.append(math.sqrt(float(z.var(axis=0).mean())))
        h = 1 / (1 + np.exp(-z)) if arm.activation == "sigmoid" else np.maximum(z, 0)
        given.append(h)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(p)), data.train_y[:samples]] -= 1
    back = p / len(p)
    bias = math.sqrt(float((back.sum(axis=0) ** 2).mean()))
    gradients = []
    for layer in reversed(range(len(net))):
        gradients.append(math.sqrt(float(((back.T @ given[layer]) ** 2).mean())))
        h = given[layer]
        slope = h * (1 - h) if arm.activation == "sigmoid" else (h > 0).astype(float)
        back = (back @ net[layer][0]) * slope if layer else back
    return Signals(np.array(size), np.array(varying), np.array(gradients[::-1]), bias)


def constant_loss(data: Digits) -> float:
    """Cross-entropy of the best constant answer: the entropy of the classes."""
    share = np.bincount(data.train_y, minlength=CLASSES) / len(data.train_y)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _datasets(data: Digits) -> tuple[Dataset, Dataset]:
    return Dataset(data.train_x, data.train_y), Dataset(data.test_x, data.test_y)
