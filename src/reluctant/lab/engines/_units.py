"""Activations, heads and losses, for one sample or for a column of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.lab.engines._layout import (
    CROSS_ENTROPY,
    LEAKY,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
    Problem,
)
from reluctant.lab.engines._machine import compiled, exp, tanh

__all__ = ["activate", "batch_scale", "damp", "is_right", "loss_and_slope"]

_Array = NDArray[Any]


@compiled
def activate(a: _Array, start: int, size: int, kind: int, slope: float) -> None:
    """Replace the sums `a[start:start + size]` by what the units put out."""
    zero, one = a.dtype.type(0.0), a.dtype.type(1.0)
    low = a.dtype.type(slope)
    # Conditions are put so that nan is passed on.
    if kind == RELU:
        for j in range(size):
            at = np.uintp(start + j)
            a[at] = zero if a[at] <= zero else a[at]
    elif kind == LEAKY:
        for j in range(size):
            at = np.uintp(start + j)
            a[at] = low * a[at] if a[at] <= zero else a[at]
    elif kind == SIGMOID:
        for j in range(size):
            at = np.uintp(start + j)
            a[at] = one / (one + exp(-a[at]))
    elif kind == TANH:
        for j in range(size):
            at = np.uintp(start + j)
            a[at] = tanh(a[at])


@compiled
def softmax(a: _Array, start: int, size: int, step: int) -> None:
    """Replace logits `a[start + j * step]` by probabilities."""
    top = a[start]
    for j in range(1, size):
        top = max(top, a[start + j * step])
    total = a.dtype.type(0.0)
    for j in range(size):
        at = start + j * step
        a[at] = exp(a[at] - top)
        total += a[at]
    for j in range(size):
        a[start + j * step] /= total


@compiled
def damp(d: _Array, a: _Array, start: int, size: int, kind: int, slope: float) -> None:
    """Multiply `d` by the derivative of the activation whose output is `a`."""
    zero, one = a.dtype.type(0.0), a.dtype.type(1.0)
    low = a.dtype.type(slope)
    if kind == RELU:
        for j in range(size):
            at = np.uintp(start + j)
            d[at] = zero if a[at] <= zero else d[at]
    elif kind == LEAKY:
        for j in range(size):
            at = np.uintp(start + j)
            d[at] = low * d[at] if a[at] <= zero else d[at]
    elif kind == SIGMOID:
        for j in range(size):
            at = np.uintp(start + j)
            d[at] *= a[at] * (one - a[at])
    elif kind == TANH:
        for j in range(size):
            at = np.uintp(start + j)
            d[at] *= one - a[at] * a[at]


@compiled
def batch_scale(problem: Problem, samples: int, outputs: int) -> float:
    """Return what a sample's loss is multiplied by in its batch's."""
    if not problem.is_mean:
        return 1.0
    return 1.0 / samples if problem.loss == CROSS_ENTROPY else 1.0 / (samples * outputs)


@compiled
def loss_and_slope(
    y: _Array,
    d: _Array,
    start: int,
    size: int,
    step: int,
    targets: _Array,
    target: int,
    problem: Problem,
    head: int,
    scale: float,
) -> float:
    """Return one sample's loss; write its slope before the head's activation to `d`.

    The head's sums `y[start + j * step]` must be activated, but for softmax, which is
    done here. The slope still lacks the derivative of any other head: see `damp`.
    """
    if head == SOFTMAX:
        softmax(y, start, size, step)
    loss = 0.0
    if problem.loss == CROSS_ENTROPY:
        top = y[start]
        for j in range(1, size):
            top = max(top, y[start + j * step])
        total = y.dtype.type(0.0)
        mass = y.dtype.type(0.0)
        for j in range(size):
            at = start + j * step
            d[at] = exp(y[at] - top)
            total += d[at]
            mass += targets[target + j]
        log_total = math.log(total) + top
        for j in range(size):
            at = start + j * step
            t = targets[target + j]
            # Where t is 0 the output may be infinite, and 0 times that must be 0.
            if t != 0.0:
                loss += t * (log_total - y[at])
            d[at] = y.dtype.type(scale) * (mass * d[at] / total - t)
    else:
        for j in range(size):
            at = start + j * step
            error = y[at] - targets[target + j]
            loss += error * error
            d[at] = y.dtype.type(2.0 * scale) * error
    if head == SOFTMAX:
        inner = y.dtype.type(0.0)
        for j in range(size):
            inner += y[start + j * step] * d[start + j * step]
        for j in range(size):
            at = start + j * step
            d[at] = y[at] * (d[at] - inner)
    return loss * scale


@compiled
def is_right(y: _Array, start: int, size: int, step: int, label: int) -> bool:
    """Tell whether the first largest of the outputs is that of `label`."""
    best = 0
    for j in range(1, size):
        if y[start + j * step] > y[start + best * step]:
            best = j
    return best == label and y[start + best * step] == y[start + best * step]
