"""The fused engine against a torch loop, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.engines import torch_reference as reference
from reluctant.lab import engines
from reluctant.lab.engines import SGD, Adam, Dataset, MLPSpec

RULES = [
    SGD(),
    SGD(momentum=0.9),
    SGD(momentum=0.8, nesterov=True),
    SGD(weight_decay=0.02),
    SGD(momentum=0.9, weight_decay=0.01, nesterov=True),
    Adam(),
    Adam(beta1=0.5, beta2=0.9, eps=1e-3),
    Adam(weight_decay=0.02),
    Adam(weight_decay=0.1, decoupled=True),
]
HEADS = [
    ("relu", "mse"),
    ("linear", "mse"),
    ("sigmoid", "mse"),
    ("softmax", "mse"),
    ("linear", "cross_entropy"),
    ("softmax", "cross_entropy"),
]


def both(
    spec: MLPSpec,
    *,
    rate: float,
    steps: int,
    kernel: Any,
    dtype: Any = np.float64,
    density: float = 0.3,
    seed: int = 0,
    samples: int = 40,
    schedule: Any = None,
) -> tuple[engines.Run, float, float]:
    """Train by both engines; return the worst relative errors of weights and losses."""
    inputs, targets, start = reference.example(spec, seed, samples, density)
    epochs = steps // spec.steps_per_epoch(samples) + 1
    order = reference.orders(seed, samples, epochs)
    expected, losses, _ = reference.train(
        spec, start, inputs, targets, rate, order, steps, schedule
    )
    (run,) = engines.train_many(
        spec,
        [start],
        Dataset(inputs, targets),
        learning_rates=[rate],
        steps=steps,
        orders=lambda _, epoch: order[epoch],
        schedule=schedule,
        record_every=1,
        dtype=dtype,
        kernel=kernel,
    )
    assert run.kernel == kernel
    assert run.steps == steps
    worst = max(
        np.abs(a - b).max() / np.abs(b).max()
        for ours, theirs in zip(run.parameters, expected, strict=True)
        for a, b in zip(ours, theirs, strict=True)
        if b is not None
    )
    return run, worst, float(np.abs(run.records.loss - losses).max() / losses.max())


@pytest.mark.parametrize("kernel", ["row", "lane"])
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("batch", [1, 7])
def test_follows_every_optimizer_in_float64_to_rounding(
    rule: Any, kernel: str, batch: int
) -> None:
    spec = MLPSpec(
        (12, 20, 7, 3), "leaky_relu", optimizer=rule, batch_size=batch, leaky_slope=0.2
    )
    _, weights, losses = both(spec, rate=0.004, steps=300, kernel=kernel)
    assert weights < 1e-11
    assert losses < 1e-11


@pytest.mark.parametrize("kernel", ["row", "lane"])
@pytest.mark.parametrize(("head", "loss"), HEADS)
@pytest.mark.parametrize("hidden", ["relu", "sigmoid", "tanh", "linear"])
def test_follows_every_head_loss_and_activation_in_both_precisions(
    hidden: Any, head: Any, loss: Any, kernel: str
) -> None:
    for reduction in ("mean", "sum"):
        spec = MLPSpec((9, 17, 4), hidden, head, loss, reduction, batch_size=3)
        _, weights, losses = both(spec, rate=0.02, steps=60, kernel=kernel)
        assert max(weights, losses) < 1e-11
        _, weights, losses = both(
            spec, rate=0.02, steps=60, kernel=kernel, dtype=np.float32
        )
        assert max(weights, losses) < 3e-5


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    hidden_widths=st.lists(st.integers(1, 40), max_size=3),
    inputs=st.integers(1, 30),
    outputs=st.integers(1, 18),
    hidden=st.sampled_from(["relu", "leaky_relu", "sigmoid", "tanh", "linear"]),
    head=st.sampled_from(HEADS),
    reduction=st.sampled_from(["mean", "sum"]),
    rule=st.sampled_from(RULES),
    batch=st.integers(1, 40),
    drop_last=st.booleans(),
    bias=st.booleans(),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    kernel=st.sampled_from(["row", "lane"]),
    seed=st.integers(0, 1000),
)
def test_follows_any_training_in_float64(
    hidden_widths: list[int],
    inputs: int,
    outputs: int,
    hidden: Any,
    head: Any,
    reduction: Any,
    rule: Any,
    batch: int,
    drop_last: bool,
    bias: bool,
    density: float,
    kernel: str,
    seed: int,
) -> None:
    spec = MLPSpec(
        (inputs, *hidden_widths, outputs),
        hidden,
        head[0],
        head[1],
        reduction,
        optimizer=rule,
        batch_size=batch,
        drop_last=drop_last,
        leaky_slope=0.1,
        bias=bias,
    )
    inputs_, targets, start = reference.example(spec, seed, 40, density)
    steps = 60
    order = reference.orders(seed, 40, steps + 1)
    rate = 1e-3
    expected, losses, _ = reference.train(
        spec, start, inputs_, targets, rate, order, steps
    )
    (run,) = engines.train_many(
        spec,
        [start],
        Dataset(inputs_, targets),
        learning_rates=[rate],
        steps=steps,
        orders=lambda _, epoch: order[epoch],
        record_every=1,
        dtype=np.float64,
        kernel=kernel,  # type: ignore[arg-type]
    )
    done = run.steps
    assert done == steps or run.stop == "frozen"
    np.testing.assert_allclose(run.records.loss, losses[:done], rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(run.parameters, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a is None) == (b is None)
            if a is None:
                continue
            # Adam divides rounding errors by eps where a gradient is nearly zero.
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("rule", "rate", "falling"),
    [
        (Adam(), 0.003, True),
        (Adam(eps=1e-3), 0.003, False),
        (Adam(weight_decay=0.05, decoupled=True), 0.003, True),
        (Adam(beta1=0.8, beta2=0.95), 0.001, False),
        (SGD(momentum=0.95), 0.002, True),
        (SGD(momentum=0.9, weight_decay=0.001), 0.002, False),
        (SGD(momentum=0.9, weight_decay=0.001), 0.002, True),
    ],
    ids=str,
)
def test_sparse_rows_catch_up_over_blocks_of_steps(
    rule: Any, rate: float, falling: bool
) -> None:
    """Over 4,500 steps the series takes over from replay, and a block ends."""
    steps = 4500
    spec = MLPSpec((30, 8, 2), "tanh", optimizer=rule)
    schedule = engines.cosine(steps) if falling else None
    _, weights, losses = both(
        spec,
        rate=rate,
        steps=steps,
        kernel="row",
        dtype=np.float32,
        density=0.03,
        schedule=schedule,
    )
    assert weights < 2e-4
    assert losses < 2e-4


@pytest.mark.parametrize("kernel", ["row", "lane"])
def test_follows_a_schedule(kernel: str) -> None:
    spec = MLPSpec((8, 6, 2), optimizer=SGD(momentum=0.9, weight_decay=0.01))
    schedule = engines.warm_up(engines.step_decay(200, every=50, factor=0.5), steps=20)
    _, weights, _ = both(spec, rate=0.02, steps=200, kernel=kernel, schedule=schedule)
    assert weights < 1e-11


# torch's own forward mode scripts a function when it is first used.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("kernel", ["row", "lane"])
@pytest.mark.parametrize("rule", [RULES[0], RULES[4], RULES[5], RULES[8]], ids=str)
@pytest.mark.parametrize(
    ("hidden", "head", "loss", "reduction"),
    [
        ("relu", "relu", "mse", "mean"),
        ("leaky_relu", "linear", "cross_entropy", "mean"),
        ("tanh", "softmax", "mse", "sum"),
        ("sigmoid", "softmax", "cross_entropy", "sum"),
    ],
)
def test_gauge_is_torch_double_backward(
    hidden: Any, head: Any, loss: Any, reduction: Any, rule: Any, kernel: Any
) -> None:
    for batch in (1, 6):
        spec = MLPSpec(
            (12, 9, 7, 3), hidden, head, loss, reduction, rule, batch, leaky_slope=0.2
        )
        inputs, targets, start = reference.example(spec, 3, 20, 0.4)
        order = reference.orders(3, 20, 31)
        _, _, expected = reference.train(
            spec, start, inputs, targets, 0.01, order, 30, with_gauge=True
        )
        (run,) = engines.train_many(
            spec,
            [start],
            Dataset(inputs, targets),
            learning_rates=[0.01],
            steps=30,
            orders=lambda _, epoch, order=order: order[epoch],
            gauge_every=1,
            dtype=np.float64,
            kernel=kernel,
        )
        got = run.gauges
        found = np.stack([got.descent, got.curvature, got.gauss_newton], axis=1)
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=1e-9 * np.abs(expected).max()
        )
