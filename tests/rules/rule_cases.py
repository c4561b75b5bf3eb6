"""Hand-written traces that several rules are tested on."""

from typing import Any

import numpy as np

from builders import trace_of
from reluctant.records import Group, Layer, Loss, Parameter, Setup, Trace

CROSS_ENTROPY = Loss(kind="cross-entropy", reduction="mean", outputs=4)
FALLING = [1.4 * 0.97**i for i in range(100)]
FLAT = [float(np.log(4))] * 100


def mlp_setup(
    depth: int = 4, *, activation: str = "relu", std: float = 0.25, batch_size: int = 64
) -> Setup:
    """`depth` linear layers of width 32, the last of which is the head."""
    sites = [f"fc{i}" for i in range(depth)]
    layers = tuple(
        Layer(
            site=site,
            activation="" if site == sites[-1] else activation,
            units=32,
            weight=f"{site}.weight",
            bias=f"{site}.bias",
            is_head=site == sites[-1],
        )
        for site in sites
    )
    parameters = tuple(
        Parameter(name=f"{site}.weight", shape=(32, 32), std=std) for site in sites
    )
    return Setup(
        layers=layers,
        parameters=parameters,
        groups=(Group(optimizer="SGD", options={"lr": 0.1}),),
        loss=CROSS_ENTROPY,
        batch_size=batch_size,
    )


def judged(setup: Setup | None = None, **runs: Any) -> Trace:
    """A trace with a loss, whose targets are four classes, evenly."""
    runs.setdefault("target_count", [[16.0] * 4] * len(runs["loss"]))
    return trace_of(setup=setup or mlp_setup(), **runs)
