r"""How a row makes up, when it is next needed, for the steps it has missed.

Momentum and Adam move every weight at every step, also where the gradient is zero,
which costs a pass over the whole network. But without a gradient the movement is
known in advance, so a row (all weights from one input) waits until its input is
active again.

*Momentum.* A missed step is linear, the same for every weight of the row:
\((w, v) \to M_j (w, v)\). Without weight decay, with rate \(\eta_j\) at step j,
\(v_t = \beta^{t-s} v_s\) and \(w_t = w_s - v_s (D_s - \beta^{t-s} D_t)\), where
\(D_s = \sum_{j>s} \eta_j \beta^{j-s}\) is one backward sweep over a block of steps.
With weight decay the product of the \(M_j\) is looked up by the length of the gap if
the rate is constant, and multiplied out otherwise.

*Adam.* With \(\rho = 1/(\sqrt{v_s} + e_s)\), which the last step computed anyway,
\(w_t = w_s - m_s \sum_j a_j / (\sqrt{v_s} + e_j)\), and \(e_j\), eps with the bias
correction and the decay of v in it, hardly changes while \(a_j\) dies out (as
\((\beta_1/\sqrt{\beta_2})^j\)). So the sum is \(\rho\) times a power series in
\(q = \rho e_s\), whose coefficients \((-1)^p \sum_j a_j (e_j/e_s - 1)^p\) need no
division: sums to the end of the block from one backward sweep, less the same sums
from t on, moved to the other centre by the binomial theorem. Four terms are kept
where they are exact to 1e-6 of the movement even for \(\sqrt v \ll\) eps, and to
rounding elsewhere; before that (some 500 steps), in float64, and under weight decay
that is part of the gradient, the missed steps are done one by one.

Against a dense update of every weight this is, measured on 784-100-10 at minibatch 1
with four fifths of the inputs zero, 3.5 times as fast for momentum and 2.9 times for
Adam; `benchmarks/lab.py` has the rates. Adam's moments are three more rows to move for
every active input, so it stays at a quarter of plain descent, not at its level.

Blocks of `BLOCK` steps start at multiples of `BLOCK`, whatever is recorded and however
many threads there are, so a network's numbers depend on neither.

Longer than most files: the tables, the two ways to catch up and the flush that ends a
block are one derivation, and are checked against it together.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reluctant.lab.engines._layout import (
    METHOD_ADAM,
    METHOD_LINEAR,
    METHOD_SGD,
    Layers,
    Problem,
    State,
)
from reluctant.lab.engines._machine import compiled, inlined

__all__ = [
    "BLOCK",
    "TERMS",
    "Tables",
    "adam_rule",
    "catch_up_adam",
    "catch_up_linear",
    "correct_bias",
    "fill",
    "flush",
    "new_tables",
]

BLOCK = 4096
"""Steps after which every row is brought up to date."""

TERMS = 4
_TOLERANCE = 1e-6

_Floats = NDArray[np.float64]


class Tables(NamedTuple):
    """What one block of steps needs; entry i belongs to step `block start + i`."""

    rates: _Floats
    bias_m: (
        _Floats  # Adam's bias corrections in step i, counted from the block's first:
    )
    bias_v: _Floats  # of m, and the root of that of v
    fade: _Floats  # momentum or beta1, to the power i
    fade_square: _Floats  # beta2 to the power i
    reach: _Floats  # D; or the five sums of the series, five to a step
    power: _Floats  # M to the power i, four numbers each
    ratio: _Floats  # beta1 / sqrt(beta2) to the power i
    eps: _Floats  # eps with the bias correction
    growth: _Floats  # e_i, up to a factor common to the block
    shrink: _Floats  # what decoupled weight decay left since the start of the block
    is_steady: NDArray[np.bool_]  # one entry: the rate is the same all along
    rule: _Floats  # scratch of one row, since kernels allocate nothing
    coef: _Floats
    value: _Floats
    value2: _Floats
    one: NDArray[np.uint32]
    one2: NDArray[np.uint32]


def new_tables(problem: Problem) -> Tables:
    """Return room for the tables of one block; `fill` sets them."""
    size = BLOCK + 1

    def room(wanted: bool, each: int = 1) -> _Floats:
        return np.zeros(size * each if wanted else 0)

    linear = problem.method == METHOD_LINEAR
    adam = problem.method == METHOD_ADAM
    return Tables(
        rates=np.zeros(size),
        bias_m=room(adam),
        bias_v=room(adam),
        fade=room(linear or adam),
        fade_square=room(adam),
        reach=room(linear or adam, TERMS + 1 if adam else 1),
        power=room(linear, 4),
        ratio=room(adam),
        eps=room(adam),
        growth=room(adam),
        shrink=room(adam),
        is_steady=np.zeros(1, np.bool_),
        rule=np.zeros(6),
        coef=np.zeros(6),
        value=np.zeros(1),
        value2=np.zeros(1),
        one=np.zeros(1, np.uint32),
        one2=np.zeros(1, np.uint32),
    )


@compiled
def fill(tables: Tables, problem: Problem, start: int, size: int) -> None:
    """Prepare the block of `size` steps after step `start`, from `tables.rates`."""
    rates = tables.rates
    tables.is_steady[0] = True
    for i in range(1, size):
        if rates[i] != rates[0]:
            tables.is_steady[0] = False
    if problem.method == METHOD_SGD:
        return
    tables.fade[0] = 1.0
    for i in range(size):
        tables.fade[i + 1] = tables.fade[i] * problem.keep
    if problem.method == METHOD_LINEAR:
        tables.reach[size] = 0.0
        for i in range(size - 1, -1, -1):
            rate = rates[i] * problem.keep if problem.flag else rates[i]
            tables.reach[i] = problem.keep * (rate + tables.reach[i + 1])
        power = tables.power
        power[0], power[1], power[2], power[3] = 1.0, 0.0, 0.0, 1.0
        for i in range(size):
            at = 4 * i
            a, b, c, d = power[at], power[at + 1], power[at + 2], power[at + 3]
            a, b, c, d = _missed_step(
                problem.keep, problem.decay, problem.flag, rates[0], a, b, c, d
            )
            at += 4
            power[at], power[at + 1], power[at + 2], power[at + 3] = a, b, c, d
        return
    ratio = problem.keep / math.sqrt(problem.square) if problem.square > 0.0 else 0.0
    tables.fade_square[0] = tables.ratio[0] = tables.shrink[0] = 1.0
    for i in range(size):
        tables.fade_square[i + 1] = tables.fade_square[i] * problem.square
        tables.ratio[i + 1] = tables.ratio[i] * ratio
        taken = rates[i] * problem.decay if problem.flag else 0.0
        tables.shrink[i + 1] = tables.shrink[i] * (1.0 - taken)
    for i in range(size + 1):
        corrected = math.sqrt(1.0 - problem.square ** (start + i))
        tables.eps[i] = problem.eps * corrected
        tables.growth[i] = corrected / math.sqrt(tables.fade_square[i])
    # reach[s] from reach[s + 1]: step s + 1 has weight a, and the centre moves.
    reach, width = tables.reach, TERMS + 1
    for p in range(width):
        reach[size * width + p] = 0.0
    for s in range(size - 1, -1, -1):
        step = start + s + 1
        a = rates[s] * ratio / (1.0 - problem.keep**step) / tables.shrink[s + 1]
        a *= math.sqrt(1.0 - problem.square**step)
        growth = tables.growth[s + 1] / tables.growth[s] if start + s > 0 else 1.0
        for p in range(width):
            moved = 0.0
            for i in range(p + 1):
                below = reach[(s + 1) * width + i]
                moved += _binomial(p, i) * (growth - 1.0) ** (p - i) * growth**i * below
            reach[s * width + p] = a * (growth - 1.0) ** p + ratio * moved


@compiled
def _binomial(n: int, k: int) -> float:
    result = 1.0
    for i in range(k):
        result = result * (n - i) / (i + 1)
    return result


@compiled
def _missed_step(
    keep: float,
    decay: float,
    is_nesterov: bool,
    rate: float,
    a: float,
    b: float,
    c: float,
    d: float,
) -> tuple[float, float, float, float]:
    """Multiply (a b; c d) from the left by one step of momentum with no gradient."""
    on_v = rate * keep if is_nesterov else rate
    on_g = rate if is_nesterov else 0.0
    new_c = keep * c + decay * a
    new_d = keep * d + decay * b
    new_a = a - on_v * new_c - on_g * decay * a
    new_b = b - on_v * new_d - on_g * decay * b
    return new_a, new_b, new_c, new_d


@compiled
def correct_bias(tables: Tables, problem: Problem, start: int) -> None:
    """Tabulate Adam's bias corrections of the block after step `start`."""
    for i in range(tables.bias_m.size):
        tables.bias_m[i] = 1.0 - problem.keep ** (start + i + 1)
        tables.bias_v[i] = math.sqrt(1.0 - problem.square ** (start + i + 1))


@inlined
def adam_rule(rule: NDArray[Any], problem: Problem, tables: Tables, i: int) -> None:
    """Write what `rows_adam` needs for step i, counted from the block's first."""
    rate, correction = tables.rates[i], tables.bias_v[i]
    rule[0] = 1.0 - problem.keep
    rule[1] = 1.0 - problem.square
    rule[2] = problem.eps * correction
    rule[3] = rate * correction / tables.bias_m[i]
    rule[4] = 1.0 - rate * problem.decay if problem.flag else 1.0
    rule[5] = 0.0 if problem.flag else problem.decay


@compiled
def catch_up_linear(
    coef: NDArray[Any],
    w_steps: NDArray[np.int64],
    m_steps: NDArray[np.int64],
    keep: float,
    decay: float,
    is_nesterov: bool,
    rates: _Floats,
    fade: _Floats,
    reach: _Floats,
    power: _Floats,
    is_steady: bool,
    first: int,
    idx: NDArray[np.uint32],
    start: int,
    value: NDArray[Any],
    values: int,
    count: int,
    block: int,
    now: int,
    index2: NDArray[np.uint32],
    value2: NDArray[Any],
) -> int:
    """Sort the list into rows that missed steps and others, and say what to make up.

    `coef` gets for each late row what `rows_sum_momentum` has to do with it, or under
    weight decay `rows_sum_linear`; rows are marked as done. `first` is the number of
    the layer's first row, `block` the step that the tables start at.

    Returns:
        How many rows are late; `index2` and `value2` have them first.
    """
    late, fresh = 0, count
    for k in range(count):
        i = idx[np.uintp(start + k)]
        row = np.uintp(first + np.int64(i))
        done = w_steps[row]
        if done == now:
            fresh -= 1
            index2[np.uintp(fresh)] = i
            value2[np.uintp(fresh)] = value[np.uintp(values + k)]
            continue
        index2[np.uintp(late)] = i
        value2[np.uintp(late)] = value[np.uintp(values + k)]
        w_steps[row] = now
        gap = now - done
        if decay == 0.0:
            moved = fade[np.uintp(gap)] * reach[np.uintp(now - block)]
            moved -= reach[np.uintp(done - block)]
            coef[np.uintp(late)] = fade[np.uintp(done - m_steps[row])] * moved
        else:
            m_steps[row] = now
            a, b, c, d = 1.0, 0.0, 0.0, 1.0
            at = np.uintp(4 * gap)
            if is_steady:
                a, b = power[at], power[at + np.uintp(1)]
                c, d = power[at + np.uintp(2)], power[at + np.uintp(3)]
            else:
                for step in range(done - block, now - block):
                    a, b, c, d = _missed_step(
                        keep, decay, is_nesterov, rates[step], a, b, c, d
                    )
            at = np.uintp(4 * late)
            coef[at], coef[at + np.uintp(1)] = a, b
            coef[at + np.uintp(2)], coef[at + np.uintp(3)] = c, d
        late += 1
    return late


@compiled
def catch_up_adam(
    coef: NDArray[Any],
    state: State,
    problem: Problem,
    tables: Tables,
    first: int,
    offset: int,
    width: int,
    idx: NDArray[np.uint32],
    start: int,
    value: NDArray[Any],
    values: int,
    count: int,
    block: int,
    now: int,
    index2: NDArray[np.uint32],
    value2: NDArray[Any],
) -> int:
    """Do for Adam what `catch_up_linear` does for momentum.

    `coef` gets what `rows_sum_adam` has to do with each late row. A row that must be
    done step by step is done here, and is not late any more.
    """
    replay_always = state.w.itemsize == 8 or (problem.decay != 0.0 and not problem.flag)
    reach, growth, shrink = tables.reach, tables.growth, tables.shrink
    width_reach = TERMS + 1
    after = np.uintp((now - block) * width_reach)
    f0, f1 = reach[after], reach[after + np.uintp(1)]
    f2, f3 = reach[after + np.uintp(2)], reach[after + np.uintp(3)]
    late, fresh = 0, count
    for k in range(count):
        i = idx[np.uintp(start + k)]
        row = np.uintp(first + np.int64(i))
        done = state.w_steps[row]
        since = state.m_steps[row]
        if done != now:
            at = np.uintp((since - block) * width_reach)
            state.w_steps[row] = now
            if replay_always or (
                # Written so that sums which are not finite are replayed, too.
                since > 0
                and not (
                    abs(reach[at + np.uintp(TERMS)]) <= _TOLERANCE * abs(reach[at])
                )
            ):
                begin = offset + int(i) * width
                _replay(state, problem, tables, begin, width, block, done, since, now)
                state.m_steps[row] = now
                done = now
        if done == now:
            fresh -= 1
            index2[np.uintp(fresh)] = i
            value2[np.uintp(fresh)] = value[np.uintp(values + k)]
            continue
        index2[np.uintp(late)] = i
        value2[np.uintp(late)] = value[np.uintp(values + k)]
        at2 = np.uintp(6 * late)
        late += 1
        left = shrink[np.uintp(now - block)]
        coef[at2] = left / shrink[np.uintp(done - block)]
        coef[at2 + np.uintp(1)] = tables.eps[np.uintp(since - block)]
        if since == 0:  # moments are still zero
            for p in range(2, 6):
                coef[at2 + np.uintp(p)] = 0.0
            continue
        t0, t1, t2, t3 = _tail(f0, f1, f2, f3, growth, since - block, now - block)
        fade = tables.ratio[np.uintp(now - since)]
        s0, s1 = reach[at], reach[at + np.uintp(1)]
        s2, s3 = reach[at + np.uintp(2)], reach[at + np.uintp(3)]
        if done != since:
            from_done = np.uintp((done - block) * width_reach)
            s0, s1, s2, s3 = _tail(
                reach[from_done],
                reach[from_done + np.uintp(1)],
                reach[from_done + np.uintp(2)],
                reach[from_done + np.uintp(3)],
                growth,
                since - block,
                done - block,
            )
            kept = tables.ratio[np.uintp(done - since)]
            s0, s1, s2, s3 = kept * s0, kept * s1, kept * s2, kept * s3
        coef[at2 + np.uintp(2)] = left * (s0 - fade * t0)
        coef[at2 + np.uintp(3)] = -left * (s1 - fade * t1)
        coef[at2 + np.uintp(4)] = left * (s2 - fade * t2)
        coef[at2 + np.uintp(5)] = -left * (s3 - fade * t3)
    return late


@compiled
def _tail(
    f0: float, f1: float, f2: float, f3: float, growth: _Floats, since: int, after: int
) -> tuple[float, float, float, float]:
    """Move sums about step `after` to step `since`, as far as both are in the block."""
    k = growth[np.uintp(after)] / growth[np.uintp(since)]
    g = k - 1.0
    kf1, kkf2 = k * f1, k * k * f2
    first = g * f0 + kf1
    second = g * (first + kf1) + kkf2
    third = g * (g * (g * f0 + 3.0 * kf1) + 3.0 * kkf2) + k * k * k * f3
    return f0, first, second, third


@compiled
def _replay(
    state: State,
    problem: Problem,
    tables: Tables,
    begin: int,
    width: int,
    block: int,
    done: int,
    since: int,
    now: int,
) -> None:
    """Do steps `done` to `now` of Adam on one row one by one, with no gradient."""
    w, m, v, r = state.w, state.m, state.v, state.r
    keep, square = w.dtype.type(problem.keep), w.dtype.type(problem.square)
    decay = w.dtype.type(0.0 if problem.flag else problem.decay)
    new_m, new_v = w.dtype.type(1.0 - problem.keep), w.dtype.type(1.0 - problem.square)
    rule = tables.rule
    for step in range(since + 1, now + 1):
        adam_rule(rule, problem, tables, step - 1 - block)
        if step <= done:  # the weights have this step already
            rule[3], rule[4] = 0.0, 1.0
        eps, far, left = (
            w.dtype.type(rule[2]),
            w.dtype.type(rule[3]),
            w.dtype.type(rule[4]),
        )
        for c in range(width):
            at = np.uintp(begin + c)
            slope = decay * w[at]
            first = keep * m[at] + new_m * slope
            second = square * v[at] + new_v * slope * slope
            inverse = w.dtype.type(1.0) / (np.sqrt(second) + eps)
            m[at], v[at], r[at] = first, second, inverse
            w[at] = left * w[at] - far * (first * inverse)


@compiled
def flush(
    state: State,
    problem: Problem,
    tables: Tables,
    layers: Layers,
    block: int,
    now: int,
) -> None:
    """Bring every row, and its moments, to step `now`."""
    if problem.method == METHOD_SGD or now == 0:
        return
    w, m, v, r = state.w, state.m, state.v, state.r
    coef, one, value = tables.coef, tables.one, tables.value
    for layer in range(layers.n_in.size):
        width, first = layers.stride[layer], layers.row[layer]
        for i in range(layers.n_in[layer] + 1):
            one[0] = i
            row = np.uintp(first + i)
            begin = layers.offset[layer] + i * width
            if problem.method == METHOD_LINEAR:
                late = catch_up_linear(
                    coef,
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
                    first,
                    one,
                    0,
                    value,
                    0,
                    1,
                    block,
                    now,
                    tables.one2,
                    tables.value2,
                )
                if problem.decay == 0.0:
                    coef[1] = coef[0] if late else 0.0
                    coef[0], coef[2] = 1.0, 0.0
                    coef[3] = tables.fade[np.uintp(now - state.m_steps[row])]
                    state.m_steps[row] = now
                elif late == 0:
                    continue
                for c in range(width):
                    at = np.uintp(begin + c)
                    old, speed = w[at], m[at]
                    w[at] = coef[0] * old + coef[1] * speed
                    m[at] = coef[2] * old + coef[3] * speed
                continue
            late = catch_up_adam(
                coef,
                state,
                problem,
                tables,
                first,
                layers.offset[layer],
                width,
                one,
                0,
                value,
                0,
                1,
                block,
                now,
                tables.one2,
                tables.value2,
            )
            gap = np.uintp(now - state.m_steps[row])
            state.m_steps[row] = now
            fade, fade_square = tables.fade[gap], tables.fade_square[gap]
            eps = problem.eps * math.sqrt(1.0 - problem.square**now)
            for c in range(width):
                at = np.uintp(begin + c)
                if late > 0:
                    q = coef[1] * r[at]
                    series = coef[2] + q * (coef[3] + q * (coef[4] + q * coef[5]))
                    w[at] = coef[0] * w[at] - m[at] * r[at] * series
                m[at] *= fade
                v[at] *= fade_square
                r[at] = 1.0 / (math.sqrt(v[at]) + eps)
