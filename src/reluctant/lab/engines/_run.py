"""What a training amounted to, and the scoring of what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reluctant.lab.engines._dataset import Dataset
from reluctant.lab.engines._spec import MLPSpec, Parameters

__all__ = ["Gauges", "Records", "Run", "Stop", "evaluate"]

Stop: TypeAlias = Literal["done", "frozen", "nonfinite", "cancelled"]
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Records:
    """One row a window of steps, k windows.

    Attributes:
        step: Steps done at the end of each window, shape `(k,)`.
        loss: Mean over the window's steps of the loss that each step saw before it
            moved, shape `(k,)`; nan or inf once training diverged.
        score: Share of samples whose largest output was the right class, likewise
            before the step, shape `(k,)`; nan where targets are not classes.
        samples: Samples seen, shape `(k,)`.
        active: Samples whose gradient was not exactly zero, shape `(k,)`.
        finite: Whether every loss of the window was finite, shape `(k,)`.
        fired: For each layer, the head last: samples for which each unit put out more
            than zero, shape `(k, units)`.
        validation_loss: After the window, on held-out data, shape `(k,)`; else nan.
        validation_score: Likewise, shape `(k,)`; else nan.
    """

    step: _Ints
    loss: _Floats
    score: _Floats
    samples: _Ints
    active: _Ints
    finite: NDArray[np.bool_]
    fired: list[_Ints]
    validation_loss: _Floats
    validation_score: _Floats


@dataclass(frozen=True)
class Gauges:
    """The step gauge of k steps: to second order, -descent + curvature / 2.

    Attributes:
        step: Steps done before the one measured, shape `(k,)`.
        descent: Gradient times step, in units of the loss, shape `(k,)`.
        curvature: Step times Hessian times step, shape `(k,)`.
        gauss_newton: The part of it without the network's own curvature, shape `(k,)`.
    """

    step: _Ints
    descent: _Floats
    curvature: _Floats
    gauss_newton: _Floats

    @property
    def ratio(self) -> float:
        """Summed curvature over summed descent; nan without a gradient."""
        descent = float(self.descent.sum())
        return float(self.curvature.sum()) / descent if descent else float("nan")


@dataclass(frozen=True)
class Run:
    """One network's training.

    Attributes:
        parameters: As they ended, in torch's layout.
        steps: Steps done; fewer than asked for if it stopped early.
        stop: `done`; `frozen`: plain gradient descent passed a whole epoch without a
            single gradient, so nothing can ever change; `nonfinite`: the loss is no
            longer a number; `cancelled`: the caller broke off.
        finite: Whether the loss and all parameters are numbers.
        kernel: `row` or `lane`.
        records: What happened, by windows of steps.
        gauges: The step gauge, where asked for.
    """

    parameters: Parameters
    steps: int
    stop: Stop
    finite: bool
    kernel: str
    records: Records
    gauges: Gauges


def evaluate(
    spec: MLPSpec, parameters: Parameters, dataset: Dataset
) -> tuple[float, float]:
    """Return loss and score of a network on `dataset`, as one batch.

    The score is the share of right classes, or nan where targets are not classes.
    """
    out: Any = dataset.inputs
    for (weight, bias), activation in zip(parameters, spec.activations, strict=True):
        out = np.asarray(out @ weight.T)
        if bias is not None:
            out += bias
        if activation == "relu":
            out = np.maximum(out, 0.0)
        elif activation == "leaky_relu":
            out = np.where(out <= 0.0, spec.leaky_slope * out, out)
        elif activation == "sigmoid":
            with np.errstate(over="ignore"):
                out = 1.0 / (1.0 + np.exp(-out))
        elif activation == "tanh":
            out = np.tanh(out)
        elif activation == "softmax":
            out = np.exp(_log_softmax(out))
    targets = np.asarray(dataset.targets)
    labels: NDArray[Any] | None = None
    if targets.ndim == 1:
        labels, targets = targets, np.eye(out.shape[1], dtype=out.dtype)[targets]
    elif out.shape[1] > 1 and np.all((targets == 0) | (targets == 1)):
        labels = targets.argmax(axis=1) if np.all(targets.sum(axis=1) == 1) else None
    if spec.loss == "mse":
        each, count = (out - targets) ** 2, out.size
    else:
        each, count = -targets * _log_softmax(out), len(out)
    total = float(each.sum(dtype=np.float64))
    right = np.isfinite(out).all(axis=1)
    score = float("nan")
    if labels is not None:
        score = float(np.mean((out.argmax(axis=1) == labels) & right))
    return total / count if spec.reduction == "mean" else total, score


def _log_softmax(out: NDArray[Any]) -> NDArray[Any]:
    shifted = out - out.max(axis=1, keepdims=True)
    result: NDArray[Any] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
