"""JAX and Keras on the same training, run by the interpreter that has them.

Answers one line of JSON a request on standard input, so that the benchmark can take
turns between engines. Only the standard library is imported before a peer is asked.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np


def jax_big(data: dict[str, Any]) -> Any:
    import jax
    import jax.numpy as jnp

    x, t = jnp.asarray(data["x"]), jnp.asarray(data["t"])
    rate = float(data["rate"])

    def loss(p: Any, a: Any, b: Any) -> Any:
        h = jax.nn.relu(p[0] @ a + p[1])
        return jnp.mean((jax.nn.relu(p[2] @ h + p[3]) - b) ** 2)

    def step(p: Any, i: Any) -> Any:
        g = jax.grad(loss)(p, x[i], t[i])
        return [w - rate * s for w, s in zip(p, g, strict=True)], None

    run = jax.jit(lambda p, order: jax.lax.scan(step, p, order)[0])
    start = [jnp.asarray(data[f"p{k}"]) for k in range(4)]
    order = jnp.asarray(data["order"])
    return lambda n: jax.block_until_ready(run(start, order[:n]))


def jax_small(data: dict[str, Any]) -> Any:
    import jax
    import jax.numpy as jnp

    x, t = jnp.asarray(data["sx"]), jnp.asarray(data["st"])
    nets, rate = 1024, 1e-3

    def loss(p: Any, a: Any, b: Any) -> Any:
        h = jax.nn.relu(a @ p[0].T + p[1])
        return jnp.mean((h @ p[2].T + p[3] - b) ** 2)

    def one(p: Any, m: Any, v: Any, k: Any, a: Any, b: Any) -> Any:
        g = jax.grad(loss)(p, a, b)
        m = [0.9 * o + 0.1 * s for o, s in zip(m, g, strict=True)]
        v = [0.999 * o + 0.001 * s * s for o, s in zip(v, g, strict=True)]
        up, root = 1 - 0.9**k, jnp.sqrt(1 - 0.999**k)
        p = [
            w - rate * (a / up) / (jnp.sqrt(c) / root + 1e-8)
            for w, a, c in zip(p, m, v, strict=True)
        ]
        return p, m, v

    def step(state: Any, at: Any) -> Any:
        k, index = at
        p, m, v = state
        many = jax.vmap(one, in_axes=(0, 0, 0, None, 0, 0))
        return many(p, m, v, k, x[index], t[index]), None

    p = [jnp.asarray(np.repeat(data[f"s{k}"][None], nets, 0) * 1.0) for k in range(4)]
    zero = [jnp.zeros_like(w) for w in p]
    # Every network has an order of its own, as with the other engines.
    order = np.random.default_rng(0).integers(0, len(data["sx"]), (4096, nets, 32))
    order = jnp.asarray(order.astype(np.int32))

    def scan(state: Any, order: Any) -> Any:
        steps = jnp.arange(1.0, order.shape[0] + 1.0)
        return jax.lax.scan(step, state, (steps, order))[0]

    run = jax.jit(scan)

    def go(n: int) -> None:
        jax.block_until_ready(run((p, zero, zero), order[: max(1, n // nets)]))

    return go


def keras_fit(data: dict[str, Any]) -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import torch

    torch.set_num_threads(1)
    model = keras.Sequential(
        [
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="relu"),
        ]
    )
    model.build((None, 784))
    model.compile(keras.optimizers.SGD(float(data["rate"])), loss="mse")
    start = [data["p0"].T, data["p1"], data["p2"].T, data["p3"]]

    def go(n: int) -> None:
        model.set_weights(start)
        order = data["order"][:n]
        x, t = data["x"][order], data["t"][order]
        model.fit(x, t, batch_size=1, shuffle=False, verbose=0)

    return go


PEERS = {"jax_big": jax_big, "jax_small": jax_small, "keras_fit": keras_fit}


def serve(name: str, path: str) -> None:
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with np.load(path) as loaded:
        data = dict(loaded)
    go = PEERS[name](data)
    for line in sys.stdin:
        steps = int(line)
        before = time.process_time()
        go(steps)
        answers.write(json.dumps({"seconds": time.process_time() - before}) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
