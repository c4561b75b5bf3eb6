"""Many networks of `dying-output`: through the fused engine where Numba is installed.

The engine and the NumPy loop take the same steps, to rounding; the engine some twenty
times as fast, one network a thread.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._data import Digits
from reluctant.cases._relu_net import Run, Weights, order, step, train
from reluctant.cases._relu_net_kind import OUTPUTS, PLAIN, SLOPE, Kind

_WINDOW = 200  # steps: within one, a death is looked up step by step


@dataclass(frozen=True)
class Job:
    """One training to do."""

    rate: float
    seed: int


def train_all(
    data: Digits,
    jobs: Sequence[Job],
    *,
    epochs: int,
    gauge_every: int | None = None,
    deaths: bool = False,
    notify: Callable[[str], None] = lambda line: None,
    kind: Kind = PLAIN,
) -> list[Run]:
    """Train a network for each job.

    Args:
        data: What to learn.
        jobs: Learning rate and seed of each.
        epochs: Passes over the training set.
        gauge_every: Measure the gauge of every so-manieth step.
        deaths: Whether to find the step at which each dead output fired last; without,
            `last_fired` may be left at −1.
        notify: Given a line if a compiler has to run first.
        kind: Of network and schedule; deaths are found in plain ones only.
    """
    if not fused():
        how: dict[str, Any] = {"epochs": epochs, "gauge_every": gauge_every}
        return [train(data, j.rate, j.seed, kind=kind, **how) for j in jobs]
    found = _engine(
        data,
        jobs,
        epochs * len(data.train_x),
        record_every=len(data.train_x),
        gauge_every=gauge_every,
        validate=True,
        notify=notify,
        kind=kind,
    )
    runs = [
        _run(job, data, f, epochs, kind) for job, f in zip(jobs, found, strict=True)
    ]
    if deaths:
        _find_deaths(data, [run for run in runs if run.dead])
    return runs


def fused() -> bool:
    """Whether the fused engine can be used."""
    return find_spec("numba") is not None


def _engine(
    data: Digits,
    jobs: Sequence[Job],
    steps: int,
    *,
    record_every: int,
    gauge_every: int | None = None,
    validate: bool = False,
    notify: Callable[[str], None] | None = None,
    kind: Kind = PLAIN,
) -> list[Any]:
    """One run of the engine for each job, from its start."""
    from reluctant.lab.engines import Dataset, exponential

    samples, falls = len(data.train_x), kind.final_share < 1
    return _train_many(
        data,
        [Weights.initial(job.seed, data, kind) for job in jobs],
        [job.rate for job in jobs],
        steps,
        kind=kind,
        schedule=exponential(steps, factor=kind.factor(1, steps)) if falls else None,
        orders=lambda k, epoch: order(jobs[k].seed, epoch, samples),
        record_every=record_every,
        gauge_every=gauge_every,
        validation=Dataset(data.test_x, data.test_y) if validate else None,
        notify=notify,
    )


def _train_many(
    data: Digits,
    starts: Sequence[Weights],
    rates: Sequence[float],
    steps: int,
    *,
    kind: Kind = PLAIN,
    only: NDArray[np.int64] | slice = slice(None),
    **how: Any,
) -> list[Any]:
    """Many networks from given weights, on all samples or on `only` some of them."""
    from reluctant.lab.engines import Dataset, MLPSpec, train_many

    spec = MLPSpec(
        (data.inputs, kind.width, OUTPUTS),
        "leaky_relu" if kind.leaky_hidden else "relu",
        "leaky_relu" if kind.leaky_head else "relu",
        loss="mse",
        reduction="sum",
        leaky_slope=SLOPE,
    )
    return train_many(
        spec,
        [[(w.W1.T, w.b1), (w.W2, w.b2)] for w in starts],
        Dataset(data.train_x[only], data.train_y[only]),
        # the engine's loss is Σ(y − t)²: half the rate makes the same step
        learning_rates=[rate / 2 for rate in rates],
        steps=steps,
        **how,
    )


def _weights(parameters: Any) -> Weights:
    (first, b1), (second, b2) = parameters
    return Weights(np.ascontiguousarray(first.T), b1.copy(), second.copy(), b2.copy())


def _run(job: Job, data: Digits, found: Any, epochs: int, kind: Kind) -> Run:
    """What the engine found, in the terms of the case."""
    records, gauges = found.records, found.gauges
    # a network that nothing can change any more is not trained to the end
    test = [float(s) for s in records.validation_score]
    right = [float(s) for s in records.score]
    short = epochs - len(test) if found.stop == "frozen" else 0
    run = Run(
        job.rate,
        job.seed,
        _weights(found.parameters),
        steps=found.steps,
        test=test + test[-1:] * short,
        train=right + right[-1:] * short,
        at=gauges.step,
        # of Σ(y − t)²; half of it is this case's loss
        terms=np.stack([gauges.descent, gauges.curvature], axis=1) / 2,
        kind=kind,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        run.take_census(data)
    return run


def _find_deaths(data: Digits, runs: Sequence[Run]) -> None:
    """Train again to the window in which an output fired last, and step through it."""
    jobs = [Job(run.rate, run.seed) for run in runs]
    if not runs:
        return
    longest = max(run.steps for run in runs)
    all_found = _engine(data, jobs, longest, record_every=_WINDOW)
    for run, job, found in zip(runs, jobs, all_found, strict=True):
        fired: NDArray[np.int64] = found.records.fired[-1]
        windows: dict[int, list[int]] = {}
        for unit in run.dead:
            rows = np.flatnonzero(fired[:, unit])
            if len(rows):
                end = int(found.records.step[rows[-1]])
                windows.setdefault((end - 1) // _WINDOW * _WINDOW, []).append(unit)
        weights, now = Weights.initial(run.seed, data), 0
        for start, units in sorted(windows.items()):
            weights, now = _advance(data, job, weights, now, start), start
            stop = min(start + _WINDOW, run.steps)
            last = _walk(data, job, weights, start, stop)
            run.last_fired[units] = last[units]


def _samples_of(data: Digits, seed: int, start: int, stop: int) -> NDArray[np.int64]:
    """Which samples steps `start` to `stop` of a training take."""
    samples = len(data.train_x)
    first, last = start // samples, -(-stop // samples)
    epochs = [order(seed, epoch, samples) for epoch in range(first, last)]
    both = slice(start - first * samples, stop - first * samples)
    return np.concatenate(epochs)[both] if epochs else np.zeros(0, np.int64)


def _advance(data: Digits, job: Job, w: Weights, start: int, stop: int) -> Weights:
    """Train on from one step to another; plain SGD has nothing else to remember."""
    if start == stop:
        return w
    taken = _samples_of(data, job.seed, start, stop)
    # to prepare all of MNIST takes longer than the steps do
    few = len(taken) < len(data.train_x)
    turn = np.arange(len(taken)) if few else taken
    (found,) = _train_many(
        data,
        [w],
        [job.rate],
        stop - start,
        only=taken if few else slice(None),
        orders=lambda k, epoch: turn,
    )
    return _weights(found.parameters)


def _walk(
    data: Digits, job: Job, w: Weights, start: int, stop: int
) -> NDArray[np.int64]:
    """Take steps one by one; the last whose sample each output fired on.

    On a copy: over thousands of steps rounding would lead elsewhere than the engine.
    """
    w = copy.deepcopy(w)
    last = np.full(OUTPUTS, start, np.int64)
    for now, index in enumerate(_samples_of(data, job.seed, start, stop), start):
        y, _ = step(w, *data.sparse(index), data.train_y[index], job.rate)
        last[y > 0] = now
    return last
