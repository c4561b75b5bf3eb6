"""The network of `dying-output`, trained one sample at a time, in plain NumPy.

One hidden layer, ReLU in hidden and output layer, loss ½·Σ(y − t)² over the outputs for
one sample, plain SGD. In place, zero inputs skipped: several times as fast as a loop
with autograd, and the same numbers to rounding.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._data import Digits
from reluctant.cases._relu_net_kind import OUTPUTS, PLAIN, STD, Array, Kind, slopes


@dataclass
class Weights:
    """All parameters.

    Attributes:
        W1: Shape `(inputs, hidden)`: one row an input, so zero inputs cost nothing.
        b1: Shape `(hidden,)`.
        W2: Shape `(outputs, hidden)`.
        b2: Shape `(outputs,)`.
    """

    W1: Array
    b1: Array
    W2: Array
    b2: Array

    @classmethod
    def initial(cls, seed: int, data: Digits, kind: Kind = PLAIN) -> "Weights":
        """Weights N(0, std 0.01), hidden biases zero, output biases as the data say."""
        random, width = np.random.default_rng(seed), kind.width
        first = random.normal(0, STD, (data.inputs, width)).astype(np.float32)
        second = random.normal(0, STD, (OUTPUTS, width)).astype(np.float32)
        b2 = np.full(OUTPUTS, data.head_bias, np.float32)
        return cls(first, np.zeros(width, np.float32), second, b2)

    def outputs(self, x: Array, kind: Kind = PLAIN) -> Array:
        """What the net puts out, shape `(samples, outputs)`; a dead output is zero."""
        return kind.head(kind.hidden(x @ self.W1 + self.b1) @ self.W2.T + self.b2)

    def templates(self, x: Array) -> Array:
        """The image that each output looks for, shape `(outputs, inputs)`.

        By how much a pixel raises the output's sum, on average over the samples `x`:
        the product of both layers, each hidden unit by how often it fires.
        """
        share = (x @ self.W1 + self.b1 > 0).mean(axis=0, dtype=np.float32)
        product: Array = (self.W2 * share) @ self.W1.T
        return product


def order(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """The order of samples in one epoch of one seed."""
    return np.random.default_rng([seed, 1, epoch]).permutation(samples)


@dataclass
class Run:
    """One training, as far as it went.

    Attributes:
        rate: Learning rate.
        seed: Of weights and sample order.
        weights: As they ended.
        steps: SGD steps, one sample each.
        test: Share of test samples classified rightly, after each epoch.
        train: Share of training samples, each before its step, over each epoch.
        last_fired: For each output the last step whose sample it fired on, −1 if none:
            the last step that changed its weights.
        dead: Outputs that fire on no training sample at the end, in order.
        at: Steps at which the gauge was measured, shape `(n,)`.
        terms: gᵀu and uᵀHu of each of those steps, shape `(n, 2)`.
        kind: Of network and schedule.
    """

    rate: float
    seed: int
    weights: Weights
    steps: int = 0
    test: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    last_fired: NDArray[np.int64] = field(
        default_factory=lambda: np.full(OUTPUTS, -1, np.int64)
    )
    dead: list[int] = field(default_factory=list)
    at: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    terms: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    kind: Kind = PLAIN

    @property
    def outcome(self) -> str:
        """`"trained"`, `"lost outputs"`, or `"diverged"` if a weight is not finite."""
        if not np.isfinite(self.weights.W1).all():
            return "diverged"
        return "lost outputs" if self.dead else "trained"

    def gauge(self, first: int, last: int) -> float:
        """The gauge of steps `first` to `last`; nan where none was measured."""
        rows = self.terms[(self.at >= first) & (self.at <= last)]
        gain, curvature = rows.sum(axis=0)
        return float(curvature / gain) if gain > 0 else float("nan")

    def unlearned(self, data: Digits) -> list[int]:
        """Classes of which less than half of the training samples are told rightly."""
        guess = self.weights.outputs(data.train_x, self.kind).argmax(axis=1)
        return [
            k
            for k in range(OUTPUTS)
            if np.mean(guess[data.train_y == k] == k) < 0.5 or k in self.dead
        ]

    def take_census(self, data: Digits) -> None:
        """See which outputs fire on no training sample; a leaky one cannot die."""
        if self.kind.leaky_head:
            return
        y = self.weights.outputs(data.train_x, self.kind)
        self.dead = [int(k) for k in np.flatnonzero(~(y > 0).any(axis=0))]


def train(
    data: Digits,
    rate: float,
    seed: int,
    *,
    epochs: int,
    gauge_every: int | None = None,
    kind: Kind = PLAIN,
) -> Run:
    """Train one network.

    Args:
        data: What to learn.
        rate: Learning rate of plain SGD.
        seed: Of the initial weights and of the order of samples.
        epochs: Passes over the training set, each in an order of its own.
        gauge_every: Measure the gauge of every so-manieth step.
        kind: Of network and schedule; the gauge is that of the plain one.
    """
    w = Weights.initial(seed, data, kind)
    run = Run(rate, seed, w, kind=kind)
    samples = len(data.train_x)
    at, terms = [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(epochs):
            right = 0
            for index in order(seed, epoch, samples):
                label = data.train_y[index]
                gauged = gauge_every is not None and run.steps % gauge_every == 0
                now = rate * kind.factor(run.steps, epochs * samples)
                y, both = step(
                    w, *data.sparse(index), label, now, measure=gauged, kind=kind
                )
                run.last_fired[y > 0] = run.steps
                right += int(y.argmax() == label)
                if both is not None:
                    at.append(run.steps)
                    terms.append(both)
                run.steps += 1
            run.train.append(right / samples)
            guess = w.outputs(data.test_x, kind).argmax(axis=1)
            run.test.append(float((guess == data.test_y).mean()))
            if not np.isfinite(w.W1).all():
                break
        run.take_census(data)
    run.at, run.terms = np.array(at, np.int64), np.array(terms, float).reshape(-1, 2)
    return run


def step(
    w: Weights,
    where: NDArray[np.int64] | slice,
    x: Array,
    label: int,
    rate: float,
    *,
    measure: bool = False,
    kind: Kind = PLAIN,
) -> tuple[Array, tuple[float, float] | None]:
    """One SGD step in place; the outputs before it, and the gauge's terms if asked."""
    rows = w.W1[where]  # a view where all are read, a copy where some are
    z = x @ rows
    z += w.b1
    h = kind.hidden(z)
    sums = w.W2 @ h
    sums += w.b2
    y = kind.head(sums)
    r = y.copy()
    r[label] -= 1
    r *= slopes(sums, leaky=kind.leaky_head)
    d = r @ w.W2
    d *= slopes(z, leaky=kind.leaky_hidden)
    terms = _terms(w, x, h, y > 0, r, d, rate) if measure else None
    r *= rate
    d *= rate
    w.W2 -= r[:, None] * h
    w.b2 -= r
    rows -= x[:, None] * d
    w.W1[where] = rows
    w.b1 -= d
    return y, terms


def _terms(
    w: Weights,
    x: Array,
    h: Array,
    on: NDArray[np.bool_],
    r: Array,
    d: Array,
    rate: float,
) -> tuple[float, float]:
    """gᵀu and uᵀHu of one sample's step u = rate·g, in closed form.

    With residuals r, gradient (r·hᵀ, r, d·xᵀ, d): along it the hidden layer moves by
    dh = d·(‖x‖² + 1), the outputs by dy = r·(‖h‖² + 1) + W2·dh where they fire, and
    gᵀHg = ‖dy‖² + 2·‖r‖²·(h·dh): Gauss-Newton part and the product of the two layers.
    """
    squares = float(r @ r)
    dh = d * (x @ x + 1)
    dy = (r * (h @ h + 1) + w.W2 @ dh) * on
    gain = squares * float(h @ h + 1) + float(d @ dh)
    curvature = float(dy @ dy) + 2 * squares * float(h @ dh)
    return rate * gain, rate * rate * curvature
