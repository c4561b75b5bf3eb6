r"""The step gauge: what a step does to the loss of its own batch, to second order.

For a step that subtracts u from parameters \(\theta\), the loss \(L(\theta - \tau u)\)
has derivative \(-g^\top u\) and curvature \(u^\top H u\) at \(\tau = 0\). Both come
out of one forward pass that carries value, first and second derivative along u
through every unit (a second-order jet), exactly and without a backward pass. Leaving
out the second derivative of the outputs gives the Gauss-Newton part. Only u itself
needs the gradient. All of it is done in float64, in plain loops, as it is done now and
then only; longer than most files because it repeats forward and backward for that.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.lab.engines._layout import (
    CROSS_ENTROPY,
    LEAKY,
    METHOD_ADAM,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
    Layers,
    Problem,
    Samples,
    State,
    units,
)
from reluctant.lab.engines._machine import compiled, inlined
from reluctant.lab.engines._units import batch_scale, damp, loss_and_slope

__all__ = ["GaugeScratch", "gauge_step", "new_gauge_scratch"]

_Floats = NDArray[np.float64]


class GaugeScratch(NamedTuple):
    """Room for one network's gauge."""

    a: _Floats  # outputs of all units, and their derivatives along the step
    a1: _Floats
    a2: _Floats
    d: _Floats
    g: _Floats
    u: _Floats
    target: _Floats
    marked: NDArray[np.int64]  # the last gauge that needed each row
    serial: NDArray[np.int64]  # one entry: gauges so far


def new_gauge_scratch(layers: Layers, state: State) -> GaugeScratch:
    """Return the room for one network."""
    n = units(layers)
    return GaugeScratch(
        a=np.zeros(n),
        a1=np.zeros(n),
        a2=np.zeros(n),
        d=np.zeros(n),
        g=np.zeros(state.w.size),
        u=np.zeros(state.w.size),
        target=np.zeros(int(layers.n_out[-1])),
        marked=np.zeros(state.w_steps.size, np.int64),
        serial=np.zeros(1, np.int64),
    )


@compiled
def _jet(
    a: _Floats, a1: _Floats, a2: _Floats, start: int, size: int, kind: int, low: float
) -> None:
    """Send sums and their derivatives through an activation, in place."""
    if kind == SOFTMAX:
        top, total = a[start], 0.0
        for j in range(start, start + size):
            top = max(top, a[j])
        for j in range(start, start + size):
            a[j] = math.exp(a[j] - top)
            total += a[j]
        mean1, mean2 = 0.0, 0.0
        for j in range(start, start + size):
            a[j] /= total
            mean1 += a[j] * a1[j]
            mean2 += a[j] * a2[j]
        spread = 0.0
        for j in range(start, start + size):
            a1[j] -= mean1
            spread += a[j] * a1[j] * a1[j]
        for j in range(start, start + size):
            a2[j] = a[j] * (a1[j] * a1[j] - spread + a2[j] - mean2)
            a1[j] = a[j] * a1[j]
        return
    for j in range(start, start + size):
        z, first, second = a[j], 1.0, 0.0
        if kind in (RELU, LEAKY):
            first = (low if kind == LEAKY else 0.0) if z <= 0.0 else 1.0
            a[j] = first * z
        elif kind == SIGMOID:
            a[j] = 1.0 / (1.0 + math.exp(-z))
            first = a[j] * (1.0 - a[j])
            second = first * (1.0 - 2.0 * a[j])
        elif kind == TANH:
            a[j] = math.tanh(z)
            first = 1.0 - a[j] * a[j]
            second = -2.0 * a[j] * first
        a2[j] = first * a2[j] + second * a1[j] * a1[j]
        a1[j] = first * a1[j]


@inlined
def _forward(
    layers: Layers,
    problem: Problem,
    samples: Samples,
    sample: int,
    w: NDArray[Any],
    scratch: GaugeScratch,
    with_jet: bool,
) -> None:
    a, a1, a2, u = scratch.a, scratch.a1, scratch.a2, scratch.u
    begin = samples.start[sample]
    for layer in range(layers.n_in.size):
        unit, size = layers.unit[layer], layers.n_out[layer]
        for j in range(unit, unit + size):
            a[j] = a1[j] = a2[j] = 0.0
        below = layers.unit[layer - 1] if layer > 0 else 0
        n = layers.n_in[layer] + problem.has_bias
        if layer == 0:
            n = samples.start[sample + 1] - begin
        for k in range(n):
            i, x, x1, x2 = k, 1.0, 0.0, 0.0
            if layer == 0:
                source = k if samples.is_dense else begin + k
                i = int(samples.column[np.uintp(source)])
                x = samples.value[np.uintp(begin + k)]
            elif k < layers.n_in[layer]:
                x, x1, x2 = a[below + k], a1[below + k], a2[below + k]
            if x == 0.0 and x1 == 0.0 and x2 == 0.0:
                continue
            row = layers.offset[layer] + i * layers.stride[layer]
            if with_jet:
                for j in range(size):
                    at, to = np.uintp(row + j), np.uintp(unit + j)
                    a[to] += w[at] * x
                    a1[to] += u[at] * x + w[at] * x1
                    a2[to] += 2.0 * u[at] * x1 + w[at] * x2
            else:
                for j in range(size):
                    a[np.uintp(unit + j)] += w[np.uintp(row + j)] * x
        # The head's softmax waits for the loss, where only the loss is wanted.
        if with_jet or layers.activation[layer] != SOFTMAX:
            _jet(a, a1, a2, unit, size, layers.activation[layer], problem.slope)


@inlined
def _backward(
    layers: Layers,
    problem: Problem,
    samples: Samples,
    sample: int,
    w: NDArray[Any],
    scratch: GaugeScratch,
) -> None:
    """Add one sample's gradient to `g`, clearing each row that it is first to need."""
    d, g, now = scratch.d, scratch.g, scratch.serial[0]
    begin = samples.start[sample]
    for back in range(layers.n_in.size):
        layer = layers.n_in.size - 1 - back
        unit, size = layers.unit[layer], layers.n_out[layer]
        below = layers.unit[layer - 1] if layer > 0 else 0
        n = layers.n_in[layer] + problem.has_bias
        if layer == 0:
            n = samples.start[sample + 1] - begin
        for k in range(n):
            i, x = k, 1.0
            if layer == 0:
                source = k if samples.is_dense else begin + k
                i = int(samples.column[np.uintp(source)])
                x = samples.value[np.uintp(begin + k)]
            elif k < layers.n_in[layer]:
                x = scratch.a[below + k]
            row = layers.offset[layer] + i * layers.stride[layer]
            if scratch.marked[layers.row[layer] + i] != now:
                scratch.marked[layers.row[layer] + i] = now
                for j in range(size):
                    g[np.uintp(row + j)] = 0.0
            total = 0.0
            for j in range(size):
                total += w[np.uintp(row + j)] * d[np.uintp(unit + j)]
                g[np.uintp(row + j)] += x * d[np.uintp(unit + j)]
            if layer > 0 and k < layers.n_in[layer]:
                d[below + k] = total
        if layer > 0:
            damp(
                d,
                scratch.a,
                below,
                layers.n_in[layer],
                layers.activation[layer - 1],
                problem.slope,
            )


@inlined
def _step_of(
    layers: Layers,
    problem: Problem,
    state: State,
    scratch: GaugeScratch,
    rate: float,
    step: int,
) -> None:
    """Write to `u` what step number `step` takes off the rows that the batch needs."""
    w, m, v, g, u = state.w, state.m, state.v, scratch.g, scratch.u
    keep, square = problem.keep, problem.square
    correction1 = 1.0 - keep**step
    correction2 = math.sqrt(1.0 - square**step)
    is_adam = problem.method == METHOD_ADAM
    for layer in range(layers.n_in.size):
        for i in range(layers.n_in[layer] + 1):
            if scratch.marked[layers.row[layer] + i] != scratch.serial[0]:
                continue
            row = layers.offset[layer] + i * layers.stride[layer]
            for j in range(layers.n_out[layer]):
                at = np.uintp(row + j)
                slope = g[at]
                if not (is_adam and problem.flag):
                    slope += problem.decay * w[at]
                if is_adam:
                    first = keep * m[at] + (1.0 - keep) * slope
                    second = square * v[at] + (1.0 - square) * slope * slope
                    size = math.sqrt(second) / correction2 + problem.eps
                    u[at] = rate * (first / correction1) / size
                    if problem.flag:
                        u[at] += rate * problem.decay * w[at]
                elif m.size == 0:
                    u[at] = rate * slope
                else:
                    speed = keep * m[at] + slope
                    u[at] = rate * (slope + keep * speed if problem.flag else speed)


@compiled
def gauge_step(
    layers: Layers,
    problem: Problem,
    samples: Samples,
    batch: NDArray[np.int64],
    state: State,
    scratch: GaugeScratch,
    rate: float,
    step: int,
    out: _Floats,
) -> None:
    """Measure the coming step, number `step` counted from 1, on its own `batch`.

    Every row of `state` must be up to date. Writes to `out` the products of the step
    with the gradient, with the Hessian (twice) and with its Gauss-Newton part.
    """
    last = layers.n_in.size - 1
    top, outputs = layers.unit[last], layers.n_out[last]
    head = layers.activation[last]
    scale = batch_scale(problem, batch.size, outputs)
    scratch.serial[0] += 1
    for place in range(batch.size):
        sample = batch[place]
        _forward(layers, problem, samples, sample, state.w, scratch, False)
        for j in range(outputs):
            scratch.target[j] = samples.target[sample * outputs + j]
        loss_and_slope(
            scratch.a,
            scratch.d,
            top,
            outputs,
            1,
            scratch.target,
            0,
            problem,
            head,
            scale,
        )
        damp(scratch.d, scratch.a, top, outputs, head, problem.slope)
        _backward(layers, problem, samples, sample, state.w, scratch)
    _step_of(layers, problem, state, scratch, rate, step)
    out[0] = out[1] = out[2] = 0.0
    for place in range(batch.size):
        sample = batch[place]
        _forward(layers, problem, samples, sample, state.w, scratch, True)
        _add_loss(problem, samples, sample, scratch, top, outputs, scale, out)


@inlined
def _add_loss(
    problem: Problem,
    samples: Samples,
    sample: int,
    scratch: GaugeScratch,
    top: int,
    outputs: int,
    scale: float,
    out: _Floats,
) -> None:
    y, y1, y2 = scratch.a, scratch.a1, scratch.a2
    if problem.loss != CROSS_ENTROPY:
        for j in range(outputs):
            error = y[top + j] - samples.target[sample * outputs + j]
            out[0] += 2.0 * scale * error * y1[top + j]
            bend = 2.0 * scale * y1[top + j] * y1[top + j]
            out[1] += bend + 2.0 * scale * error * y2[top + j]
            out[2] += bend
        return
    high, total, mass = y[top], 0.0, 0.0
    for j in range(outputs):
        high = max(high, y[top + j])
    mean1, mean2, square = 0.0, 0.0, 0.0
    for j in range(outputs):
        p = math.exp(y[top + j] - high)
        t = samples.target[sample * outputs + j]
        total += p
        mass += t
        mean1 += p * y1[top + j]
        mean2 += p * y2[top + j]
    for j in range(outputs):
        p = math.exp(y[top + j] - high) / total
        square += p * (y1[top + j] - mean1 / total) ** 2
    out[0] += scale * mass * mean1 / total
    out[1] += scale * mass * (square + mean2 / total)
    out[2] += scale * mass * square
    for j in range(outputs):
        t = samples.target[sample * outputs + j]
        out[0] -= scale * t * y1[top + j]
        out[1] -= scale * t * y2[top + j]
