"""Training with vectors over the units of a layer: wide layers, small batches.

Every layer has the list of its active inputs: pixels that are not zero, units that
fire. Forward, backward and update visit the rows on that list and no others. At
minibatch 1 the update is done in the backward pass; otherwise gradients gather in
rows of `g`, of which a step clears and applies only those that it touched.

A row that was active in the step before has nothing to make up for, and is summed
as it is; see `_catch_up.py` for the others. Longer than most files: the parts are
compiled into the one loop over steps that calls them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.lab.engines._catch_up import (
    Tables,
    adam_rule,
    catch_up_adam,
    catch_up_linear,
)
from reluctant.lab.engines._emit import LANES, MAX_BLOCKS
from reluctant.lab.engines._layout import (
    METHOD_ADAM,
    METHOD_LINEAR,
    METHOD_SGD,
    RELU,
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
    units,
)
from reluctant.lab.engines._machine import compiled, inlined, set_flush_to_zero
from reluctant.lab.engines._rows import (
    rows_adam,
    rows_dot,
    rows_momentum,
    rows_sgd,
    rows_sum,
    rows_sum_adam,
    rows_sum_linear,
    rows_sum_momentum,
)
from reluctant.lab.engines._units import (
    activate,
    batch_scale,
    damp,
    is_right,
    loss_and_slope,
)

__all__ = ["RowScratch", "new_row_scratch", "train_rows"]

_U = np.uintp
_Array = NDArray[Any]


class RowScratch(NamedTuple):
    """Room that one network needs while it trains."""

    a: _Array  # outputs of all units
    d: _Array  # slope of the loss at their sums
    inputs: NDArray[np.uint32]  # active inputs of every layer but the first
    value: _Array
    n_inputs: NDArray[np.int64]  # how many, by layer
    list_start: NDArray[np.int64]  # where each layer's list starts
    dot: _Array
    index2: NDArray[np.uint32]  # the list again: rows that missed steps, then others
    value2: _Array
    coef: _Array
    fade: _Array
    rule: _Array
    ones: _Array
    g: _Array  # gradient, for batches of more than one sample
    touched: NDArray[np.uint32]  # rows of `g` that this step wrote, by layer
    touches: NDArray[np.int64]  # how many, by layer
    touch_step: NDArray[np.int64]  # the step that last wrote each row of `g`


def new_row_scratch(layers: Layers, batch: int, state: State) -> RowScratch:
    """Return the room for one network."""
    dtype = state.w.dtype
    widest = int(layers.n_in.max()) + 1
    n_rows = state.w_steps.size
    return RowScratch(
        a=aligned(units(layers), dtype),
        d=aligned(units(layers), dtype),
        inputs=aligned(n_rows, np.uint32),
        value=aligned(n_rows, dtype),
        n_inputs=np.zeros(layers.n_in.size, np.int64),
        list_start=layers.row.copy(),
        dot=aligned(widest, dtype),
        index2=aligned(widest, np.uint32),
        value2=aligned(widest, dtype),
        coef=aligned(6 * widest, dtype),
        fade=aligned(2 * widest, dtype),
        rule=aligned(6, dtype),
        ones=np.ones(widest, dtype),
        g=aligned(state.w.size if batch > 1 else 0, dtype),
        touched=np.zeros(n_rows, np.uint32),
        touches=np.zeros(layers.n_in.size, np.int64),
        touch_step=np.full(n_rows, -1, np.int64),
    )


@inlined
def _forward(
    layers: Layers,
    problem: Problem,
    state: State,
    scratch: RowScratch,
    tables: Tables,
    layer: int,
    index: NDArray[np.uint32],
    io: int,
    value: _Array,
    vo: int,
    count: int,
    block: int,
    now: int,
) -> None:
    """Set the sums of a layer's units from the `count` inputs that are active."""
    unit, width = layers.unit[layer], layers.stride[layer]
    base, stride = layers.offset[layer], _U(width)
    for j in range(width):
        scratch.a[_U(unit + j)] = 0.0
    late = 0
    if problem.method == METHOD_LINEAR:
        late = catch_up_linear(
            scratch.coef,
            state.w_steps,
            state.m_steps,
            problem.keep,
            problem.decay,
            problem.flag,
            tables.rates,
            tables.fade,
            tables.reach,
            tables.power,
            tables.is_steady[0],
            layers.row[layer],
            index,
            io,
            value,
            vo,
            count,
            block,
            now,
            scratch.index2,
            scratch.value2,
        )
    elif problem.method == METHOD_ADAM:
        late = catch_up_adam(
            scratch.coef,
            state,
            problem,
            tables,
            layers.row[layer],
            layers.offset[layer],
            width,
            index,
            io,
            value,
            vo,
            count,
            block,
            now,
            scratch.index2,
            scratch.value2,
        )
    for column in range(0, width, LANES * MAX_BLOCKS):
        blocks = _U(min(MAX_BLOCKS, (width - column) // LANES))
        z, start = _U(unit + column), _U(base + column)
        if late == 0:
            rows_sum(
                scratch.a,
                z,
                state.w,
                start,
                stride,
                index,
                _U(io),
                value,
                _U(vo),
                _U(1),
                _U(count),
                blocks,
            )
            continue
        rows_sum(
            scratch.a,
            z,
            state.w,
            start,
            stride,
            scratch.index2,
            _U(late),
            scratch.value2,
            _U(late),
            _U(1),
            _U(count - late),
            blocks,
        )
        if problem.method == METHOD_ADAM:
            rows_sum_adam(
                scratch.a,
                z,
                state.w,
                state.m,
                state.r,
                start,
                stride,
                scratch.index2,
                _U(0),
                scratch.value2,
                _U(0),
                _U(late),
                scratch.coef,
                blocks,
            )
        elif problem.decay == 0.0:
            rows_sum_momentum(
                scratch.a,
                z,
                state.w,
                state.m,
                start,
                stride,
                scratch.index2,
                _U(0),
                scratch.value2,
                _U(0),
                _U(late),
                scratch.coef,
                blocks,
            )
        else:
            rows_sum_linear(
                scratch.a,
                z,
                state.w,
                state.m,
                start,
                stride,
                scratch.index2,
                _U(0),
                scratch.value2,
                _U(0),
                _U(late),
                scratch.coef,
                blocks,
            )


@inlined
def _list_active(
    layers: Layers, problem: Problem, scratch: RowScratch, tally: Tally, layer: int
) -> None:
    """List the units of `layer` that fire as inputs of the next, and count them."""
    unit, size = layers.unit[layer], layers.n_out[layer]
    at = scratch.list_start[layer + 1]
    n = 0
    if layers.activation[layer] == RELU:
        for j in range(size):
            out = scratch.a[_U(unit + j)]
            scratch.inputs[_U(at + n)] = j
            scratch.value[_U(at + n)] = out
            on = not (out <= 0.0)
            n += on
            tally.fired[_U(unit + j)] += on
    else:
        for j in range(size):
            out = scratch.a[_U(unit + j)]
            scratch.inputs[_U(at + j)] = j
            scratch.value[_U(at + j)] = out
            tally.fired[_U(unit + j)] += out > 0.0
        n = size
    scratch.n_inputs[layer + 1] = n
    if problem.has_bias:
        scratch.inputs[_U(at + n)] = size
        scratch.value[_U(at + n)] = 1.0


@inlined
def _apply(
    layers: Layers,
    problem: Problem,
    state: State,
    scratch: RowScratch,
    layer: int,
    index: NDArray[np.uint32],
    io: int,
    value: _Array,
    vo: int,
    count: int,
    g: _Array,
    go: int,
    gs: int,
    rate: float,
    tables: Tables,
    now: int,
) -> None:
    """Step along the gradient `value[k] * g[go + i * gs:]` in the rows i of a list."""
    base, width = layers.offset[layer], layers.stride[layer]
    first = layers.row[layer]
    if problem.method == METHOD_ADAM:
        for k in range(count):
            row = _U(first + np.int64(index[_U(io + k)]))
            gap = now + 1 - state.m_steps[row]
            scratch.fade[_U(2 * k)] = tables.fade[gap]
            scratch.fade[_U(2 * k + 1)] = tables.fade_square[gap]
            state.m_steps[row] = now + 1
            state.w_steps[row] = now + 1
    elif problem.method == METHOD_LINEAR:
        for k in range(count):
            row = _U(first + np.int64(index[_U(io + k)]))
            scratch.fade[_U(k)] = tables.fade[now + 1 - state.m_steps[row]]
            state.m_steps[row] = now + 1
            state.w_steps[row] = now + 1
    for column in range(0, width, LANES * MAX_BLOCKS):
        blocks = _U(min(MAX_BLOCKS, (width - column) // LANES))
        start, source = _U(base + column), _U(go + column)
        if problem.method == METHOD_ADAM:
            rows_adam(
                state.w,
                state.m,
                state.v,
                state.r,
                start,
                _U(width),
                index,
                _U(io),
                value,
                _U(vo),
                _U(count),
                g,
                source,
                _U(gs),
                scratch.fade,
                scratch.rule,
                blocks,
            )
        elif problem.method == METHOD_LINEAR:
            rows_momentum(
                state.w,
                state.m,
                start,
                _U(width),
                index,
                _U(io),
                value,
                _U(vo),
                _U(count),
                g,
                source,
                _U(gs),
                scratch.fade,
                scratch.rule,
                blocks,
            )
        elif gs == 0:
            rows_sgd(
                state.w,
                start,
                _U(width),
                index,
                _U(io),
                value,
                _U(vo),
                _U(count),
                g,
                source,
                g.dtype.type(-rate),
                blocks,
            )
    if problem.method == METHOD_SGD and gs != 0:
        speed = g.dtype.type(rate)
        for k in range(count):
            begin = np.int64(index[_U(io + k)]) * width
            for c in range(width):
                state.w[_U(base + begin + c)] -= speed * g[_U(go + begin + c)]


@inlined
def _gather(
    layers: Layers,
    scratch: RowScratch,
    layer: int,
    index: NDArray[np.uint32],
    io: int,
    value: _Array,
    vo: int,
    count: int,
    now: int,
) -> None:
    """Add one sample's gradient to the rows of `g` that belong to its list."""
    base, width = layers.offset[layer], layers.stride[layer]
    first = layers.row[layer]
    for k in range(count):
        i = np.int64(index[_U(io + k)])
        if scratch.touch_step[_U(first + i)] != now:
            scratch.touch_step[_U(first + i)] = now
            scratch.touched[_U(first + scratch.touches[layer])] = i
            scratch.touches[layer] += 1
            for c in range(width):
                scratch.g[_U(base + i * width + c)] = 0.0
    for column in range(0, width, LANES * MAX_BLOCKS):
        rows_sgd(
            scratch.g,
            _U(base + column),
            _U(width),
            index,
            _U(io),
            value,
            _U(vo),
            _U(count),
            scratch.d,
            _U(layers.unit[layer] + column),
            scratch.d.dtype.type(1.0),
            _U(min(MAX_BLOCKS, (width - column) // LANES)),
        )


@compiled
def train_rows(
    layers: Layers,
    problem: Problem,
    samples: Samples,
    order: Order,
    state: State,
    scratch: RowScratch,
    tables: Tables,
    tally: Tally,
    block: int,
    start: int,
    stop: int,
) -> int:
    """Do steps `start` to `stop`, and say whether there is more to do.

    `tables` are those of the block of steps that begins at `block` and contains them.
    """
    a, d = scratch.a, scratch.d
    last = layers.n_in.size - 1
    outputs = layers.n_out[last]
    top = layers.unit[last]
    head = layers.activation[last]
    counts = tally.counts
    status = STATUS_RUNNING
    old_control = set_flush_to_zero(True, 0)
    for now in range(start, stop):
        rate = tables.rates[now - block]
        if problem.method == METHOD_ADAM:
            adam_rule(scratch.rule, problem, tables, now - block)
        elif problem.method == METHOD_LINEAR:
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
        scale = batch_scale(problem, end - begin, outputs)
        fused = end - begin == 1
        step_loss = 0.0
        for layer in range(last + 1):
            scratch.touches[layer] = 0
        for place in range(begin, end):
            sample = order.samples[place]
            vo = samples.start[sample]
            n_first = samples.start[sample + 1] - vo
            io = 0 if samples.is_dense else vo
            _forward(
                layers,
                problem,
                state,
                scratch,
                tables,
                0,
                samples.column,
                io,
                samples.value,
                vo,
                n_first,
                block,
                now,
            )
            for layer in range(1, last + 1):
                activate(
                    a,
                    layers.unit[layer - 1],
                    layers.n_out[layer - 1],
                    layers.activation[layer - 1],
                    problem.slope,
                )
                _list_active(layers, problem, scratch, tally, layer - 1)
                at = scratch.list_start[layer]
                _forward(
                    layers,
                    problem,
                    state,
                    scratch,
                    tables,
                    layer,
                    scratch.inputs,
                    at,
                    scratch.value,
                    at,
                    scratch.n_inputs[layer] + problem.has_bias,
                    block,
                    now,
                )
            activate(a, top, outputs, head, problem.slope)
            step_loss += loss_and_slope(
                a,
                d,
                top,
                outputs,
                1,
                samples.target,
                sample * outputs,
                problem,
                head,
                scale,
            )
            damp(d, a, top, outputs, head, problem.slope)
            if samples.label.size > 0:
                counts[TALLY_RIGHT] += is_right(
                    a, top, outputs, 1, samples.label[sample]
                )
            pulls = False
            for j in range(outputs):
                tally.fired[_U(top + j)] += a[_U(top + j)] > 0.0
                pulls |= d[_U(top + j)] != 0.0
            n_last = n_first if last == 0 else scratch.n_inputs[last] + problem.has_bias
            if not pulls:
                continue
            counts[TALLY_ACTIVE] += n_last > 0
            counts[TALLY_EPOCH] += n_last > 0
            for back in range(last + 1):
                layer = last - back
                unit, width = layers.unit[layer], layers.stride[layer]
                if layer == 0:
                    index, lo, value, lv, n = (
                        samples.column,
                        io,
                        samples.value,
                        vo,
                        n_first,
                    )
                else:
                    lo = scratch.list_start[layer]
                    index, lv, value = scratch.inputs, lo, scratch.value
                    n = scratch.n_inputs[layer]
                    below = layers.unit[layer - 1]
                    for k in range(n):
                        scratch.dot[_U(k)] = 0.0
                    for column in range(0, width, LANES * MAX_BLOCKS):
                        rows_dot(
                            scratch.dot,
                            _U(0),
                            _U(1),
                            state.w,
                            _U(layers.offset[layer] + column),
                            _U(width),
                            index,
                            _U(lo),
                            _U(n),
                            d,
                            _U(unit + column),
                            _U(min(MAX_BLOCKS, (width - column) // LANES)),
                        )
                    for j in range(layers.stride[layer - 1]):
                        d[_U(below + j)] = 0.0
                    for k in range(n):
                        d[_U(below + np.int64(index[_U(lo + k)]))] = scratch.dot[_U(k)]
                    if layers.activation[layer - 1] != RELU:
                        damp(
                            d,
                            a,
                            below,
                            layers.n_out[layer - 1],
                            layers.activation[layer - 1],
                            problem.slope,
                        )
                    n += problem.has_bias
                if fused:
                    _apply(
                        layers,
                        problem,
                        state,
                        scratch,
                        layer,
                        index,
                        lo,
                        value,
                        lv,
                        n,
                        d,
                        unit,
                        0,
                        rate,
                        tables,
                        now,
                    )
                else:
                    _gather(layers, scratch, layer, index, lo, value, lv, n, now)
                if layer > 0 and not _any(
                    d, layers.unit[layer - 1], layers.n_out[layer - 1]
                ):
                    break
        if not fused:
            for layer in range(last + 1):
                _apply(
                    layers,
                    problem,
                    state,
                    scratch,
                    layer,
                    scratch.touched,
                    layers.row[layer],
                    scratch.ones,
                    0,
                    scratch.touches[layer],
                    scratch.g,
                    layers.offset[layer],
                    layers.stride[layer],
                    rate,
                    tables,
                    now,
                )
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


@compiled
def _any(d: _Array, start: int, size: int) -> bool:
    found = False
    for j in range(size):
        found |= d[_U(start + j)] != 0.0
    return found
