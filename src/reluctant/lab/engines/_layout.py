"""Where a network's numbers lie in flat arrays, and what a kernel is given.

Weights are kept input-major: row i of a layer holds what input i sends to every unit,
and the bias is one more row, whose input is always 1. A silent input is then a row
that nothing has to touch. The row kernel pads rows to whole vectors; the lane kernel
does not, as its vectors run over samples.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.lab.engines._emit import LANES
from reluctant.lab.engines._spec import Adam, MLPSpec, Parameters

__all__ = [
    "CODES",
    "CROSS_ENTROPY",
    "LEAKY",
    "LINEAR",
    "METHOD_ADAM",
    "METHOD_LINEAR",
    "METHOD_SGD",
    "RELU",
    "SIGMOID",
    "SOFTMAX",
    "STATUS_FROZEN",
    "STATUS_NONFINITE",
    "STATUS_RUNNING",
    "TALLY_ACTIVE",
    "TALLY_EPOCH",
    "TALLY_FINITE",
    "TALLY_RIGHT",
    "TALLY_SAMPLES",
    "TALLY_STEPS",
    "TANH",
    "Layers",
    "Order",
    "Problem",
    "Samples",
    "State",
    "Tally",
    "aligned",
    "layers_of",
    "new_tally",
    "pack",
    "problem_of",
    "units",
    "unpack",
]

LINEAR, RELU, LEAKY, SIGMOID, TANH, SOFTMAX = range(6)
CODES = {
    "linear": LINEAR,
    "relu": RELU,
    "leaky_relu": LEAKY,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "softmax": SOFTMAX,
}
CROSS_ENTROPY = 1

# How a row makes up for steps without a gradient: not at all; by a 2x2 matrix on
# (weight, speed); by Adam's series.
METHOD_SGD, METHOD_LINEAR, METHOD_ADAM = range(3)

_Ints = NDArray[np.int64]


class Layers(NamedTuple):
    """One entry a layer: sizes, activation, and where its rows and units start."""

    n_in: _Ints
    n_out: _Ints
    activation: _Ints
    offset: _Ints  # of the first row, in numbers
    stride: _Ints  # from row to row, in numbers
    row: _Ints  # number of the first row, over all layers
    unit: _Ints  # of the first unit, in the padded list of all units


class Problem(NamedTuple):
    """The rest of a spec, as numbers."""

    slope: float
    loss: int
    is_mean: bool
    has_bias: bool
    method: int
    keep: float  # momentum, or beta1
    square: float  # beta2
    eps: float
    decay: float
    flag: bool  # nesterov, or decoupled decay


class State(NamedTuple):
    """Everything that changes as one network trains."""

    w: NDArray[Any]
    m: NDArray[Any]  # momentum, or Adam's first moment
    v: NDArray[Any]  # Adam's second moment
    r: NDArray[Any]  # 1 / (sqrt(v) + eps') when v was last written
    w_steps: _Ints  # steps that each row's weights have in them
    m_steps: _Ints  # steps that each row's moments have in them


def layers_of(spec: MLPSpec, *, padded: bool) -> Layers:
    """Lay the layers of `spec` out, with rows padded to whole vectors or not."""
    n_in = np.array(spec.widths[:-1], dtype=np.int64)
    n_out = np.array(spec.widths[1:], dtype=np.int64)
    pad = LANES if padded else 1
    stride = -(-n_out // pad) * pad
    rows = n_in + 1
    return Layers(
        n_in=n_in,
        n_out=n_out,
        activation=np.array([CODES[a] for a in spec.activations], dtype=np.int64),
        offset=_starts(rows * stride),
        stride=stride,
        row=_starts(rows),
        unit=_starts(-(-n_out // LANES) * LANES),
    )


def _starts(sizes: _Ints) -> _Ints:
    return np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)


def problem_of(spec: MLPSpec) -> Problem:
    """Put the scalars of `spec` into the form that kernels take."""
    rule = spec.optimizer
    if isinstance(rule, Adam):
        keep, square, eps, flag = rule.beta1, rule.beta2, rule.eps, rule.decoupled
        method = METHOD_ADAM
    else:
        keep, square, eps, flag = rule.momentum, 0.0, 0.0, rule.nesterov
        is_plain = rule.momentum == 0.0 and rule.weight_decay == 0.0
        method = METHOD_SGD if is_plain else METHOD_LINEAR
    return Problem(
        slope=float(spec.leaky_slope),
        loss=CROSS_ENTROPY if spec.loss == "cross_entropy" else 0,
        is_mean=spec.reduction == "mean",
        has_bias=spec.bias,
        method=method,
        keep=float(keep),
        square=float(square),
        eps=float(eps),
        decay=float(rule.weight_decay),
        flag=bool(flag),
    )


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """Return zeros that start on a cache line."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size + 64 // item, dtype)
    start = (-raw.ctypes.data % 64) // item
    return raw[start : start + size]


def pack(parameters: Parameters, spec: MLPSpec, layers: Layers, dtype: Any) -> State:
    """Lay one network's parameters out, with its optimizer at rest.

    Raises:
        ValueError: If the shapes are not those of `spec`.
    """
    size = int(layers.offset[-1] + (layers.n_in[-1] + 1) * layers.stride[-1])
    size = -(-size // LANES) * LANES
    w = aligned(size, dtype)
    if len(parameters) != len(layers.n_in):
        raise ValueError(
            f"{len(parameters)} layers of parameters for {len(layers.n_in)} layers: "
            "give (weight, bias) of each."
        )
    for number, (weight, bias) in enumerate(parameters):
        n_in, n_out = int(layers.n_in[number]), int(layers.n_out[number])
        bias_shape = None if bias is None else bias.shape
        if weight.shape != (n_out, n_in) or bias_shape != (
            (n_out,) if spec.bias else None
        ):
            raise ValueError(
                f"layer {number} has weight {weight.shape} and bias {bias_shape}, but "
                f"the spec says ({n_out}, {n_in}) and "
                f"{(n_out,) if spec.bias else None}: give torch's (out, in)."
            )
        rows = _rows(w, layers, number)
        rows[:n_in, :n_out] = weight.T
        if bias is not None:
            rows[n_in, :n_out] = bias
    problem = problem_of(spec)
    moments = size if problem.method != METHOD_SGD else 0
    squares = size if problem.method == METHOD_ADAM else 0
    n_rows = int(layers.row[-1] + layers.n_in[-1] + 1)
    return State(
        w=w,
        m=aligned(moments, dtype),
        v=aligned(squares, dtype),
        r=aligned(squares, dtype),
        w_steps=np.zeros(n_rows, np.int64),
        m_steps=np.zeros(n_rows, np.int64),
    )


def unpack(w: NDArray[Any], spec: MLPSpec, layers: Layers) -> Parameters:
    """Copy the parameters out again, in torch's layout."""
    found: Parameters = []
    for number in range(len(layers.n_in)):
        n_in, n_out = int(layers.n_in[number]), int(layers.n_out[number])
        rows = _rows(w, layers, number)
        bias = rows[n_in, :n_out].copy() if spec.bias else None
        found.append((np.ascontiguousarray(rows[:n_in, :n_out].T), bias))
    return found


def _rows(w: NDArray[Any], layers: Layers, number: int) -> NDArray[Any]:
    start, stride = int(layers.offset[number]), int(layers.stride[number])
    n_rows = int(layers.n_in[number]) + 1
    return w[start : start + n_rows * stride].reshape(n_rows, stride)


class Samples(NamedTuple):
    """Data in compressed rows, each ending in the bias's input, a 1.

    A dense table is the case where every sample has the same columns.
    """

    start: _Ints  # of each sample in `value`
    column: NDArray[np.uint32]
    value: NDArray[Any]
    target: NDArray[Any]  # (samples * outputs,)
    label: _Ints  # the right class of each sample; empty if there are no classes
    is_dense: bool  # `column` holds one sample, and serves for all


class Order(NamedTuple):
    """Which samples make up which step."""

    samples: _Ints  # whole epochs, one after the other
    first_epoch: int
    per_epoch: int  # samples in an epoch
    batch: int
    steps: int  # steps in an epoch


class Tally(NamedTuple):
    """What a window of steps amounted to; the driver reads it and sets it to zero."""

    loss: NDArray[np.float64]  # sum over the steps
    counts: _Ints  # see TALLY_*
    fired: _Ints  # one a unit: samples for which it put out more than zero


# Steps, samples, right answers, samples with a gradient, the same since the epoch
# began, whether all was finite.
TALLY_STEPS, TALLY_SAMPLES, TALLY_RIGHT, TALLY_ACTIVE, TALLY_EPOCH, TALLY_FINITE = (
    range(6)
)
STATUS_RUNNING, STATUS_FROZEN, STATUS_NONFINITE = range(3)


def new_tally(layers: Layers) -> Tally:
    """Return a tally of nothing yet."""
    counts = np.zeros(6, np.int64)
    counts[TALLY_FINITE] = 1
    return Tally(
        loss=np.zeros(1), counts=counts, fired=np.zeros(units(layers), np.int64)
    )


def units(layers: Layers) -> int:
    """Return the length of the padded list of all units."""
    return int(layers.unit[-1] + -(-layers.n_out[-1] // LANES) * LANES)
