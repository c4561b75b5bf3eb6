"""The network of `dying-output`, trained one sample at a time.

One hidden layer, ReLU in hidden and output layer, loss ½·Σ(y − t)² over the outputs for
one sample, plain SGD. NumPy, in place, zero inputs skipped: some twenty times the steps
of an autograd loop, and the same numbers to rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._data import Digits

Array = NDArray[np.float32]
HIDDEN, OUTPUTS, STD = 100, 10, 0.01


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
    def initial(cls, seed: int, inputs: int) -> "Weights":
        """Weights N(0, std 0.01), biases zero."""
        random = np.random.default_rng(seed)
        first = random.normal(0, STD, (inputs, HIDDEN)).astype(np.float32)
        second = random.normal(0, STD, (OUTPUTS, HIDDEN)).astype(np.float32)
        zeros = np.zeros(HIDDEN, np.float32), np.zeros(OUTPUTS, np.float32)
        return cls(first, zeros[0], second, zeros[1])

    def outputs(self, x: Array) -> Array:
        """What the net puts out, shape `(samples, outputs)`; a dead output is zero."""
        hidden = np.maximum(x @ self.W1 + self.b1, 0)
        y: Array = np.maximum(hidden @ self.W2.T + self.b2, 0)
        return y


@dataclass
class Run:
    """One training, as far as it went.

    Attributes:
        rate: Learning rate.
        seed: Of weights and sample order.
        steps: SGD steps, one sample each.
        test: Share of test samples classified rightly, after each epoch.
        train: Share of training samples, after each epoch.
        loss: Mean of ½·Σ(y − t)² over the training set, after each epoch.
        last_fired: For each output the last step whose sample it fired on, −1 if none:
            the last step that changed its weights.
        dead: Outputs that fire on no training sample at the end, in order.
        terms: Σ gᵀu and Σ uᵀHu over each `window` steps, shape `(windows, 2)`.
        window: Steps in one row of `terms`.
    """

    rate: float
    seed: int
    window: int
    steps: int = 0
    test: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    last_fired: NDArray[np.int64] = field(
        default_factory=lambda: np.full(OUTPUTS, -1, np.int64)
    )
    dead: list[int] = field(default_factory=list)
    terms: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    weights: Weights | None = None

    @property
    def outcome(self) -> str:
        """`"trained"`, `"lost outputs"`, or `"diverged"` if a weight is not finite."""
        if self.weights is not None and not np.isfinite(self.weights.W1).all():
            return "diverged"
        return "lost outputs" if self.dead else "trained"

    def gauge(self, before: int | None = None, windows: int = 4) -> float:
        """Mean gauge over the windows that end at a step, or over the whole run."""
        rows = self.terms
        if before is not None:
            end = max(1, before // self.window)
            rows = rows[max(0, end - windows) : end]
        gain, curvature = rows.sum(axis=0)
        return float(curvature / gain) if gain else float("nan")


def train(
    data: Digits,
    rate: float,
    seed: int,
    *,
    epochs: int,
    measure: bool = False,
    window: int = 200,
    tick: Callable[[int], None] = lambda steps: None,
) -> Run:
    """Train one network.

    Args:
        data: What to learn.
        rate: Learning rate of plain SGD.
        seed: Of the initial weights and of the order of samples.
        epochs: Passes over the training set, each in a new order.
        measure: Whether to measure the gauge at each step, which costs a third more.
        window: Steps to sum the gauge's terms over.
        tick: Called with the steps taken, after each epoch.
    """
    w = Weights.initial(seed, data.inputs)
    random = np.random.default_rng([seed, 1])
    run = Run(rate, seed, window, weights=w)
    samples = len(data.train_x)
    targets = np.eye(OUTPUTS, dtype=np.float32)[data.train_y]
    terms = np.zeros((epochs * samples // window + 1, 2))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(epochs):
            for index in random.permutation(samples):
                on, both = _step(w, *data.sparse(index), targets[index], rate, measure)
                run.last_fired[on] = run.steps
                if both is not None:
                    terms[run.steps // window] += both
                run.steps += 1
            _score(run, data, targets)
            tick(run.steps)
            if not np.isfinite(run.loss[-1]):
                break
    run.terms = terms[: run.steps // window]
    return run


def _step(
    w: Weights,
    where: NDArray[np.int64] | slice,
    x: Array,
    target: Array,
    rate: float,
    measure: bool,
) -> tuple[NDArray[np.bool_], tuple[float, float] | None]:
    """One SGD step; which outputs fired, and the gauge's two terms if asked."""
    rows = w.W1[where]  # a view where all are read, a copy where some are
    z = x @ rows
    z += w.b1
    h = np.maximum(z, 0)
    y = w.W2 @ h
    y += w.b2
    on = y > 0
    r = np.where(on, y - target, np.float32(0))
    d = r @ w.W2
    d *= z > 0
    terms = _terms(w, x, h, z > 0, on, r, d, rate) if measure else None
    r *= rate
    d *= rate
    w.W2 -= r[:, None] * h
    w.b2 -= r
    rows -= x[:, None] * d
    w.W1[where] = rows
    w.b1 -= d
    return on, terms


def _terms(
    w: Weights,
    x: Array,
    h: Array,
    active: NDArray[np.bool_],
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
    curvature = float(dy @ dy) + 2 * squares * float(h @ (dh * active))
    return rate * gain, rate * rate * curvature


def _score(run: Run, data: Digits, targets: Array) -> None:
    assert run.weights is not None
    y = run.weights.outputs(data.train_x)
    run.loss.append(float(((y - targets) ** 2).sum(axis=1).mean() / 2))
    # an all-zero output would be read as class 0: it names no class
    guess = np.where(y.max(axis=1) > 0, y.argmax(axis=1), -1)
    run.train.append(float((guess == data.train_y).mean()))
    y_test = run.weights.outputs(data.test_x)
    guess = np.where(y_test.max(axis=1) > 0, y_test.argmax(axis=1), -1)
    run.test.append(float((guess == data.test_y).mean()))
    run.dead = [int(k) for k in np.flatnonzero(~(y > 0).any(axis=0))]
