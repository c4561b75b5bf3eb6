"""Training with vectors over the samples of a batch: small layers, larger batches.

Units and inputs are rows of up to `MAX_LANES` samples, weights are single numbers, so
a layer of three units wastes nothing. The loops are those of the row kernel with the
parts changed round: forward sums rows of inputs weighted by one unit's weights,
backward rows of slopes weighted by one input's, and a gradient is the dot product of
a row of slopes with a row of inputs. Parameters are few, so the optimizer takes them
all, as one long row. Longer than most files: the parts are compiled into the one loop
over steps that calls them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.lab.engines._catch_up import Tables, adam_rule
from reluctant.lab.engines._emit import LANES, MAX_BLOCKS
from reluctant.lab.engines._layout import (
    CROSS_ENTROPY,
    METHOD_ADAM,
    METHOD_LINEAR,
    METHOD_SGD,
    SOFTMAX,
    STATUS_FROZEN,
    STATUS_NONFINITE,
    STATUS_RUNNING,
    TALLY_ACTIVE,
    TALLY_EPOCH,
    TALLY_FINITE,
    TALLY_RIGHT,
    TALLY_SAMPLES,
    TALLY_STEPS,
    Layers,
    Order,
    Problem,
    Samples,
    State,
    Tally,
    aligned,
)
from reluctant.lab.engines._machine import compiled, inlined, set_flush_to_zero
from reluctant.lab.engines._rows import (
    rows_adam,
    rows_dot,
    rows_momentum,
    rows_sgd,
    rows_sum,
)
from reluctant.lab.engines._units import (
    activate,
    batch_scale,
    damp,
    is_right,
    loss_and_slope,
)

__all__ = ["LaneScratch", "new_lane_scratch", "train_lanes"]

MAX_LANES = 4 * LANES
_U = np.uintp
_Array = NDArray[Any]


class LaneScratch(NamedTuple):
    """Room that one network needs while it trains."""

    a: _Array  # inputs, then each layer's outputs; a row of ones ends each but the last
    d: _Array  # slopes of the loss, in the same places
    row: NDArray[np.int64]  # where each layer's inputs start in `a`, counted in rows
    lanes: NDArray[np.int64]  # one entry: samples in a row
    counting: NDArray[np.uint32]  # 0, 1, 2, ...
    g: _Array
    target: _Array
    ones: _Array
    fade: _Array
    rule: _Array


def new_lane_scratch(layers: Layers, batch: int, state: State) -> LaneScratch:
    """Return the room for one network."""
    dtype = state.w.dtype
    lanes = min(MAX_LANES, -(-batch // LANES) * LANES)
    rows = np.concatenate((layers.n_in + 1, layers.n_out[-1:]))
    starts = np.concatenate(([0], np.cumsum(rows))).astype(np.int64)
    a = aligned(int(starts[-1]) * lanes, dtype)
    for start, size in zip(starts[:-2], layers.n_in, strict=True):
        a[(start + size) * lanes : (start + size + 1) * lanes] = 1.0
    return LaneScratch(
        a=a,
        d=aligned(a.size, dtype),
        row=starts[:-1].copy(),
        lanes=np.array([lanes], np.int64),
        counting=np.arange(int(rows.max()) + 1, dtype=np.uint32),
        g=aligned(state.w.size, dtype),
        target=aligned(int(layers.n_out[-1]) * lanes, dtype),
        ones=np.ones(1, dtype),
        fade=aligned(2, dtype),
        rule=aligned(6, dtype),
    )


@inlined
def _gather(
    layers: Layers,
    samples: Samples,
    order: Order,
    scratch: LaneScratch,
    begin: int,
    size: int,
) -> None:
    """Put `size` samples into the rows of inputs and of targets."""
    lanes, inputs = scratch.lanes[0], layers.n_in[0]
    outputs = layers.n_out[layers.n_out.size - 1]
    width = samples.column.size
    if not samples.is_dense or size < lanes:
        for i in range(inputs * lanes):
            scratch.a[_U(i)] = 0.0
    if samples.is_dense:
        for i in range(inputs):
            for lane in range(size):
                sample = order.samples[_U(begin + lane)]
                scratch.a[_U(i * lanes + lane)] = samples.value[_U(sample * width + i)]
    else:
        for lane in range(size):
            sample = order.samples[_U(begin + lane)]
            for k in range(samples.start[_U(sample)], samples.start[_U(sample + 1)]):
                i = int(samples.column[_U(k)])
                scratch.a[_U(i * lanes + lane)] = samples.value[_U(k)]
    for j in range(outputs):
        for lane in range(size):
            source = order.samples[_U(begin + lane)] * outputs + j
            scratch.target[_U(j * lanes + lane)] = samples.target[_U(source)]


@inlined
def _lose(
    layers: Layers,
    problem: Problem,
    samples: Samples,
    order: Order,
    scratch: LaneScratch,
    tally: Tally,
    begin: int,
    size: int,
    scale: float,
) -> float:
    """Return the loss of `size` samples and write its slopes; count what they did."""
    a, d = scratch.a, scratch.d
    last = layers.n_in.size - 1
    lanes, outputs = scratch.lanes[0], layers.n_out[last]
    head, top = layers.activation[last], scratch.row[last + 1] * scratch.lanes[0]
    loss = 0.0
    if problem.loss == CROSS_ENTROPY or head == SOFTMAX:
        for lane in range(size):
            sample = order.samples[_U(begin + lane)]
            loss += loss_and_slope(
                a,
                d,
                top + lane,
                outputs,
                lanes,
                samples.target,
                sample * outputs,
                problem,
                head,
                scale,
            )
    else:
        twice = a.dtype.type(2.0 * scale)
        for j in range(outputs):
            for lane in range(size):
                at = _U(top + j * lanes + lane)
                error = a[at] - scratch.target[_U(j * lanes + lane)]
                loss += error * error * scale
                d[at] = twice * error
    for j in range(outputs):
        for lane in range(size, lanes):
            d[_U(top + j * lanes + lane)] = 0.0
    damp(d, a, top, outputs * lanes, head, problem.slope)
    if samples.label.size > 0:
        for lane in range(size):
            label = samples.label[order.samples[_U(begin + lane)]]
            tally.counts[TALLY_RIGHT] += is_right(a, top + lane, outputs, lanes, label)
    active = 0
    if outputs == 1:
        for lane in range(size):
            active += d[_U(top + lane)] != 0.0
    else:
        for lane in range(size):
            pulls = False
            for j in range(outputs):
                pulls |= d[_U(top + j * lanes + lane)] != 0.0
            active += pulls
    if active > 0 and not problem.has_bias:
        # Without a bias a sample whose last hidden layer is silent moves nothing.
        active = 0
        below = scratch.row[last] * lanes
        for lane in range(size):
            pulls, feeds = False, False
            for j in range(outputs):
                pulls |= d[_U(top + j * lanes + lane)] != 0.0
            for i in range(layers.n_in[last]):
                feeds |= a[_U(below + i * lanes + lane)] != 0.0
            active += pulls and feeds
    tally.counts[TALLY_ACTIVE] += active
    tally.counts[TALLY_EPOCH] += active
    for layer in range(last + 1):
        for j in range(layers.n_out[layer]):
            start = (scratch.row[layer + 1] + j) * lanes
            fired = 0
            for lane in range(size):
                fired += a[_U(start + lane)] > 0.0
            tally.fired[_U(layers.unit[layer] + j)] += fired
    return loss


@inlined
def _apply(
    problem: Problem, state: State, scratch: LaneScratch, rate: float, now: int
) -> None:
    """Step along the gradient in `g`, all parameters at once."""
    w, g, dtype = state.w, scratch.g, state.w.dtype
    zero, one = _U(0), _U(1)
    for start in range(0, w.size, LANES * MAX_BLOCKS):
        at = _U(start)
        blocks = _U(min(MAX_BLOCKS, (w.size - start) // LANES))
        if problem.method == METHOD_ADAM:
            rows_adam(
                w,
                state.m,
                state.v,
                state.r,
                at,
                zero,
                scratch.counting,
                zero,
                scratch.ones,
                zero,
                one,
                g,
                at,
                zero,
                scratch.fade,
                scratch.rule,
                blocks,
            )
        elif problem.method == METHOD_LINEAR:
            rows_momentum(
                w,
                state.m,
                at,
                zero,
                scratch.counting,
                zero,
                scratch.ones,
                zero,
                one,
                g,
                at,
                zero,
                scratch.fade,
                scratch.rule,
                blocks,
            )
        else:
            rows_sgd(
                w,
                at,
                zero,
                scratch.counting,
                zero,
                scratch.ones,
                zero,
                one,
                g,
                at,
                dtype.type(-rate),
                blocks,
            )


@compiled
def train_lanes(
    layers: Layers,
    problem: Problem,
    samples: Samples,
    order: Order,
    state: State,
    scratch: LaneScratch,
    tables: Tables,
    tally: Tally,
    block: int,
    start: int,
    stop: int,
) -> int:
    """Do steps `start` to `stop`, and say whether there is more to do.

    Of `tables` only rates and bias corrections are read; they begin at step `block`.
    """
    a, d, g, w, count = scratch.a, scratch.d, scratch.g, state.w, scratch.counting
    counts = tally.counts
    last = layers.n_in.size - 1
    lanes = scratch.lanes[0]
    zero, one, stride = _U(0), _U(1), _U(lanes)
    status = STATUS_RUNNING
    old_control = set_flush_to_zero(True, 0)
    for now in range(start, stop):
        rate = tables.rates[_U(now - block)]
        if problem.method == METHOD_ADAM:
            adam_rule(scratch.rule, problem, tables, now - block)
            scratch.fade[0], scratch.fade[1] = problem.keep, problem.square
        elif problem.method == METHOD_LINEAR:
            scratch.fade[0] = problem.keep
            scratch.rule[0] = problem.decay
            scratch.rule[1] = rate * problem.keep if problem.flag else rate
            scratch.rule[2] = rate if problem.flag else 0.0
        epoch, step = divmod(now, order.steps)
        if step == 0:
            counts[TALLY_EPOCH] = 0
        begin = step * order.batch
        end = min(begin + order.batch, order.per_epoch)
        begin += (epoch - order.first_epoch) * order.per_epoch
        end += (epoch - order.first_epoch) * order.per_epoch
        scale = batch_scale(problem, end - begin, layers.n_out[last])
        step_loss = 0.0
        for i in range(g.size):
            g[_U(i)] = 0.0
        for panel in range(begin, end, lanes):
            size = min(lanes, end - panel)
            blocks = _U(-(-size // LANES))
            _gather(layers, samples, order, scratch, panel, size)
            for layer in range(last + 1):
                n, outputs = layers.n_in[layer] + problem.has_bias, layers.n_out[layer]
                rows, result = scratch.row[layer], scratch.row[layer + 1]
                for i in range(outputs * lanes):
                    a[_U(result * lanes + i)] = 0.0
                for j in range(outputs):
                    rows_sum(
                        a,
                        _U((result + j) * lanes),
                        a,
                        _U(rows * lanes),
                        stride,
                        count,
                        zero,
                        w,
                        _U(layers.offset[layer] + j),
                        _U(outputs),
                        _U(n),
                        blocks,
                    )
                activate(
                    a,
                    result * lanes,
                    outputs * lanes,
                    layers.activation[layer],
                    problem.slope,
                )
            step_loss += _lose(
                layers, problem, samples, order, scratch, tally, panel, size, scale
            )
            for back in range(last + 1):
                layer = last - back
                n, outputs = layers.n_in[layer], layers.n_out[layer]
                rows, result = scratch.row[layer], scratch.row[layer + 1]
                offset = layers.offset[layer]
                for j in range(outputs):
                    rows_dot(
                        g,
                        _U(offset + j),
                        _U(outputs),
                        a,
                        _U(rows * lanes),
                        stride,
                        count,
                        zero,
                        _U(n + problem.has_bias),
                        d,
                        _U((result + j) * lanes),
                        blocks,
                    )
                if layer == 0:
                    continue
                for i in range(n * lanes):
                    d[_U(rows * lanes + i)] = 0.0
                for i in range(n):
                    rows_sum(
                        d,
                        _U((rows + i) * lanes),
                        d,
                        _U(result * lanes),
                        stride,
                        count,
                        zero,
                        w,
                        _U(offset + i * outputs),
                        one,
                        _U(outputs),
                        blocks,
                    )
                damp(
                    d,
                    a,
                    rows * lanes,
                    n * lanes,
                    layers.activation[layer - 1],
                    problem.slope,
                )
        _apply(problem, state, scratch, rate, now)
        tally.loss[0] += step_loss
        counts[TALLY_STEPS] += 1
        counts[TALLY_SAMPLES] += end - begin
        if not np.isfinite(step_loss):
            counts[TALLY_FINITE] = 0
            status = STATUS_NONFINITE
        elif (
            step == order.steps - 1
            and counts[TALLY_EPOCH] == 0
            and problem.method == METHOD_SGD
        ):
            status = STATUS_FROZEN
        if status != STATUS_RUNNING:
            break
    set_flush_to_zero(False, old_control)
    return status
