"""Many networks of `dying-output`: through the fused engine where Numba is installed.

The engine and the NumPy loop take the same steps, to rounding; the engine some twenty
times as fast, one network a thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.cases._data import Digits
from reluctant.cases._relu_net import HIDDEN, OUTPUTS, Run, Weights, order, step, train

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
    """
    if not fused():
        return [
            train(data, j.rate, j.seed, epochs=epochs, gauge_every=gauge_every)
            for j in jobs
        ]
    runs = [
        _run(job, data, found, epochs)
        for job, found in zip(
            jobs,
            _engine(
                data, jobs, epochs * len(data.train_x), gauge_every, notify, epochs
            ),
            strict=True,
        )
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
    gauge_every: int | None = None,
    notify: Callable[[str], None] | None = None,
    epochs: int = 0,
) -> list[Any]:
    """One engine run for each job; records by epoch if given, else by window."""
    from reluctant.lab.engines import Dataset, MLPSpec, train_many

    samples = len(data.train_x)
    spec = MLPSpec(
        (data.inputs, HIDDEN, OUTPUTS), "relu", "relu", loss="mse", reduction="sum"
    )
    starts = [Weights.initial(job.seed, data) for job in jobs]
    return train_many(
        spec,
        [[(w.W1.T, w.b1), (w.W2, w.b2)] for w in starts],
        Dataset(data.train_x, data.train_y),
        # the engine's loss is Σ(y − t)²: half the rate makes the same step
        learning_rates=[job.rate / 2 for job in jobs],
        steps=steps,
        orders=lambda k, epoch: order(jobs[k].seed, epoch, samples),
        record_every=samples if epochs else _WINDOW,
        gauge_every=gauge_every,
        validation=Dataset(data.test_x, data.test_y) if epochs else None,
        notify=notify,
    )


def _weights(parameters: Any) -> Weights:
    (first, b1), (second, b2) = parameters
    return Weights(np.ascontiguousarray(first.T), b1.copy(), second.copy(), b2.copy())


def _run(job: Job, data: Digits, found: Any, epochs: int) -> Run:
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
    )
    with np.errstate(over="ignore", invalid="ignore"):
        run.take_census(data)
    return run


def _find_deaths(data: Digits, runs: Sequence[Run]) -> None:
    """Train again to the window in which an output fired last, and step through it."""
    jobs = [Job(run.rate, run.seed) for run in runs]
    samples = len(data.train_x)
    longest = max((run.steps for run in runs), default=0)
    for run, job, found in zip(
        runs, jobs, _engine(data, jobs, longest) if runs else [], strict=True
    ):
        fired: NDArray[np.int64] = found.records.fired[-1]
        windows: dict[int, list[int]] = {}
        for unit in run.dead:
            rows = np.flatnonzero(fired[:, unit])
            if len(rows):
                end = int(found.records.step[rows[-1]])
                windows.setdefault((end - 1) // _WINDOW * _WINDOW, []).append(unit)
        for start, units in windows.items():
            last = _last_in(data, job, start, min(start + _WINDOW, run.steps), samples)
            run.last_fired[units] = last[units]


def _last_in(
    data: Digits, job: Job, start: int, stop: int, samples: int
) -> NDArray[np.int64]:
    """The last step of a window whose sample each output fired on."""
    w = (
        _weights(_engine(data, [job], start)[0].parameters)
        if start
        else Weights.initial(job.seed, data)
    )
    last = np.full(OUTPUTS, start, np.int64)
    for now in range(start, stop):
        index = order(job.seed, now // samples, samples)[now % samples]
        y, _ = step(w, *data.sparse(index), data.train_y[index], job.rate)
        last[y > 0] = now
    return last
