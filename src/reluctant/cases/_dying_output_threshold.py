"""Where `dying-output` begins to fail: told by the gauge, and by bisection."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from reluctant.cases._data import Digits
from reluctant.cases._dying_output_watched import network
from reluctant.cases._relu_net import Run, Weights
from reluctant.cases._relu_net_kind import OUTPUTS
from reluctant.cases._relu_nets import Job, train_all
from reluctant.lab import StepSizeLimit, Training, step_size_limit
from reluctant.records import ReluctantError
from reluctant.stats import MedianThreshold, median_threshold

TOLERANCE = 0.04  # of a seed's threshold: bisection stops there
START = 0.01  # far below any threshold seen; the gauge leads on from here
AROUND = (0.85, 1.2)  # of the prediction: where the bisection begins
PROBE_STEPS = 12_000  # of each training that the gauge is extrapolated from
ROUNDS = 5  # of candidates for seeds whose outputs all learn at the control rate


def predict(
    data: Digits, seed: int, progress: Callable[[str], None]
) -> tuple[StepSizeLimit, int]:
    """Extrapolate the gauge from far below; also the steps that it took."""
    x = torch.from_numpy(data.train_x)
    t = nn.functional.one_hot(torch.from_numpy(data.train_y), OUTPUTS).float()

    def recipe(seed: int) -> Training:
        model = network(data, Weights.initial(seed, data))
        # the rates of this case are of ½Σ(y − t)²: half of one makes the same step
        sgd = torch.optim.SGD(model.parameters(), lr=START / 2)
        batches = DataLoader(TensorDataset(x, t), batch_size=1, shuffle=True)
        return Training(model, nn.MSELoss(reduction="sum"), sgd, batches)

    found = step_size_limit(
        recipe,
        method="gauge",
        steps=PROBE_STEPS,
        seed=seed,
        progress=lambda line: progress(f"{line}, for Σ(y − t)²"),
    )
    low, high = found.interval
    limit = msgspec.structs.replace(
        found,
        value=2 * found.value,
        interval=(2 * low, 2 * high),
        rates=tuple(2 * rate for rate in found.rates),
    )
    return limit, limit.steps


def healthy(
    data: Digits,
    seed: int,
    rate: float,
    *,
    seeds: int,
    epochs: int,
    progress: Callable[[str], None],
) -> tuple[list[int], list[dict[str, Any]]]:
    """Seeds whose outputs all learn at a low rate, and those that were passed over.

    With small initial weights some outputs fall silent in their first steps, at any
    learning rate: the step size is not to blame for those.
    """
    kept: list[int] = []
    aside: list[dict[str, Any]] = []
    for start in range(seed, seed + ROUNDS * seeds, seeds):
        jobs = [Job(rate, s) for s in range(start, start + seeds)]
        for run in train_all(data, jobs, epochs=epochs):
            if len(kept) == seeds:
                break
            if silent := run.unlearned(data):
                aside.append({"seed": run.seed, "outputs": silent})
            else:
                kept.append(run.seed)
        progress(f"control at {rate:.3g}: {len(kept)} seeds learn with all outputs")
        if len(kept) == seeds:
            break
    if not kept:
        raise ReluctantError(
            f"none of {ROUNDS * seeds} seeds from {seed} on learned with all its "
            f"outputs at learning rate {rate:.3g}: give another seed."
        )
    return kept, aside


def bisect(
    data: Digits,
    seeds: Sequence[int],
    near: float,
    control: float,
    *,
    epochs: int,
    progress: Callable[[str], None],
) -> list[Run]:
    """Trainings that close in, seed by seed, on where outputs begin to die."""
    low = dict.fromkeys(seeds, control)  # the highest rate that trained
    high = dict.fromkeys(seeds, math.inf)  # the lowest above it that did not
    runs: list[Run] = []
    while wide := [s for s in seeds if high[s] > low[s] * (1 + TOLERANCE)]:
        jobs = [Job(_between(low[s], high[s], near, control), s) for s in wide]
        found = train_all(data, jobs, epochs=epochs)
        for run in found:
            if run.outcome == "trained":
                low[run.seed] = run.rate
            else:
                high[run.seed] = run.rate
        failed = sum(run.outcome != "trained" for run in found)
        between = f"{min(j.rate for j in jobs):.3g} to {max(j.rate for j in jobs):.3g}"
        progress(f"learning rates {between}: {failed} of {len(found)} lost outputs")
        runs += found
    return runs


def _between(low: float, high: float, near: float, control: float) -> float:
    """The next rate to try: around the prediction first, then halfway."""
    if high == math.inf:
        below = low == control
        return near * AROUND[0] if below else max(near * AROUND[1], low * 1.2)
    return math.sqrt(low * high)


def median(
    runs: Sequence[Run], seeds: Sequence[int], control: float
) -> tuple[MedianThreshold, list[float]]:
    """The median over seeds, with its interval, and the middle for each seed."""
    brackets = [_bracket([r for r in runs if r.seed == s], control) for s in seeds]
    low, high = zip(*brackets, strict=True)
    return median_threshold(low, high), [math.sqrt(a * b) for a, b in brackets]


def _bracket(runs: list[Run], control: float) -> tuple[float, float]:
    """The highest rate that trained and the lowest that failed above it."""
    low = max([control, *(run.rate for run in runs if run.outcome == "trained")])
    return low, min(r.rate for r in runs if r.outcome != "trained" and r.rate > low)
