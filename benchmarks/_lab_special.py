"""The yardstick for generality: the same loops, for 784-100-10 and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from reluctant.lab.engines._emit import LANES
from reluctant.lab.engines._rows import rows_dot, rows_sgd, rows_sum

U = np.uintp
HIDDEN, OUTPUTS = 100, 10
WIDE = -(-HIDDEN // LANES) * LANES
NARROW = 16
WIDE_BLOCKS, NARROW_BLOCKS = WIDE // LANES, NARROW // LANES


@njit(
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz", "arcp"},
    _nrt=False,
)
def train(
    w1: Any,
    w2: Any,
    start: Any,
    index: Any,
    value: Any,
    target: Any,
    order: Any,
    steps: int,
    rate: Any,
    a: Any,
    d: Any,
    y: Any,
    e: Any,
    active: Any,
    out: Any,
    dot: Any,
) -> float:
    """Train by plain gradient descent at minibatch 1; arrays a to dot are scratch."""
    loss = 0.0
    minus = np.float32(-rate)
    for t in range(steps):
        s = order[t]
        first = U(start[s])
        n = U(start[s + 1]) - first
        for j in range(WIDE):
            a[U(j)] = np.float32(0.0)
        rows_sum(
            a,
            U(0),
            w1,
            U(0),
            U(WIDE),
            index,
            first,
            value,
            first,
            U(1),
            n,
            U(WIDE_BLOCKS),
        )
        count = 0
        for j in range(HIDDEN):
            active[U(count)] = j
            out[U(count)] = a[U(j)]
            count += a[U(j)] > np.float32(0.0)
        active[U(count)] = HIDDEN
        out[U(count)] = np.float32(1.0)
        for j in range(NARROW):
            y[U(j)] = np.float32(0.0)
        rows_sum(
            y,
            U(0),
            w2,
            U(0),
            U(NARROW),
            active,
            U(0),
            out,
            U(0),
            U(1),
            U(count + 1),
            U(NARROW_BLOCKS),
        )
        pulls = False
        for j in range(OUTPUTS):
            fires = y[U(j)] > np.float32(0.0)
            put = y[U(j)] if fires else np.float32(0.0)
            error = put - target[U(s * OUTPUTS + j)]
            loss += error * error
            e[U(j)] = np.float32(0.2) * error if fires else np.float32(0.0)
            pulls |= e[U(j)] != np.float32(0.0)
        if not pulls:
            continue
        for k in range(count):
            dot[U(k)] = np.float32(0.0)
        rows_dot(
            dot,
            U(0),
            U(1),
            w2,
            U(0),
            U(NARROW),
            active,
            U(0),
            U(count),
            e,
            U(0),
            U(NARROW_BLOCKS),
        )
        for j in range(WIDE):
            d[U(j)] = np.float32(0.0)
        for k in range(count):
            d[U(active[U(k)])] = dot[U(k)]
        rows_sgd(
            w2,
            U(0),
            U(NARROW),
            active,
            U(0),
            out,
            U(0),
            U(count + 1),
            e,
            U(0),
            minus,
            U(NARROW_BLOCKS),
        )
        rows_sgd(
            w1,
            U(0),
            U(WIDE),
            index,
            first,
            value,
            first,
            n,
            d,
            U(0),
            minus,
            U(WIDE_BLOCKS),
        )
    return loss
