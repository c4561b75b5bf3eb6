"""Training many networks at once: one a thread, in short calls into a kernel.

A call lasts some thousand steps, so that Ctrl-C, progress and early exit are prompt.
Where calls begin and end changes no result: tables and bookkeeping go by blocks of
steps that start at fixed multiples, and a measurement works on a copy. So a network's
numbers do not depend on threads, on other networks, or on what is recorded.

Longer than most files: one network's loop and the pool around it share its terms.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reluctant.lab.engines import _layout as lay
from reluctant.lab.engines._catch_up import BLOCK, correct_bias, fill, flush, new_tables
from reluctant.lab.engines._dataset import Dataset, prepare, shuffled_epochs
from reluctant.lab.engines._gauge import gauge_step, new_gauge_scratch
from reluctant.lab.engines._lane_kernel import new_lane_scratch, train_lanes
from reluctant.lab.engines._row_kernel import new_row_scratch, train_rows
from reluctant.lab.engines._run import Gauges, Records, Run, Stop, evaluate
from reluctant.lab.engines._spec import MLPSpec, Parameters

__all__ = ["KernelName", "train_many"]

KernelName = Literal["auto", "row", "lane"]
Orders = Callable[[int, int], NDArray[np.integer]]

_SAMPLES_A_CALL = 1 << 17
_ORDER_ROOM = 1 << 18  # samples of shuffled order that are made at once
_POLL_S = 0.1
_PATIENCE_S = 1.0


@dataclass(frozen=True)
class _Plan:
    """What is the same for all networks of one call."""

    spec: MLPSpec
    layers: lay.Layers
    problem: lay.Problem
    samples: lay.Samples
    schedule: NDArray[np.float64] | None
    steps: int
    per_epoch: int
    orders: Orders | None
    record_every: int
    gauge_every: int | None
    validation: Dataset | None
    kernel: str
    dtype: Any
    cancelled: threading.Event


def train_many(
    spec: MLPSpec,
    networks: Sequence[Parameters],
    data: Dataset,
    *,
    learning_rates: ArrayLike,
    steps: int,
    schedule: ArrayLike | None = None,
    seeds: Sequence[int] | None = None,
    orders: Orders | None = None,
    record_every: int | None = None,
    gauge_every: int | None = None,
    validation: Dataset | None = None,
    threads: int | None = None,
    dtype: Any = np.float32,
    kernel: KernelName = "auto",
    on_progress: Callable[[int, int], bool | None] | None = None,
    on_done: Callable[[int, Run], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> list[Run]:
    """Train every network from its own start, rate and order of samples.

    Args:
        spec: What the networks have in common.
        networks: The initial parameters of each; read one at a time, so a sequence
            that makes them when asked needs no memory for the others.
        data: What they are trained on.
        learning_rates: One for each network, shape `(networks,)`.
        steps: Steps that each network takes.
        schedule: What a network's rate is multiplied by at each step, shape
            `(steps,)`, or None for 1; see `constant` and its neighbours.
        seeds: Of each network's order of samples, whole numbers from 0; by default
            its position. See `shuffled_epochs` for the algorithm.
        orders: Called with a network's position and an epoch, gives the indices of
            that epoch's samples, shape `(per_epoch,)`, equally many each time. Stands
            in for `seeds`, to follow a DataLoader's order; called from threads.
        record_every: Steps a record; by default an epoch.
        gauge_every: Measure the step gauge of every so-manieth step, from the first.
        validation: Held-out data, scored at every record.
        threads: Networks at a time; by default the processors of this process.
        dtype: `np.float32`, or `np.float64` to compare with.
        kernel: `row` or `lane`; by default what is faster for the widths.
        on_progress: Called now and then with steps done and steps in all, over all
            networks; False breaks off.
        on_done: Called with a network's position and its run as soon as it is there.
        notify: Called with a sentence if the first call has to wait for a compiler.

    Returns:
        One run a network, in order.

    Raises:
        ValueError: If shapes, lengths or numbers do not fit together.
    """
    rates = np.asarray(learning_rates, dtype=np.float64)
    seeds = range(len(networks)) if seeds is None else seeds
    if rates.shape != (len(networks),) or len(seeds) != len(networks):
        raise ValueError(
            f"{len(networks)} networks, learning rates of shape {rates.shape} and "
            f"{len(seeds)} seeds: give one of each for every network."
        )
    plan = _plan(
        spec,
        data,
        steps,
        schedule,
        orders,
        record_every,
        gauge_every,
        validation,
        dtype,
        kernel,
    )
    if len(networks) == 0:
        return []
    _compile(plan, networks[0], notify)
    runs: list[Run | None] = [None] * len(networks)
    done = np.zeros(len(networks), np.int64)
    workers = (
        threads or len(os.sched_getaffinity(0))
        if _HAS_AFFINITY
        else (threads or os.cpu_count() or 1)
    )
    pool = ThreadPoolExecutor(workers, thread_name_prefix="reluctant")
    try:
        position: dict[Future[Run], int] = {
            pool.submit(_train, plan, networks, k, float(rates[k]), seeds[k], done): k
            for k in range(len(networks))
        }
        waiting = set(position)
        while waiting:
            ready, waiting = wait(waiting, _POLL_S, FIRST_COMPLETED)
            for future in ready:
                k = position.pop(future)
                runs[k] = run = future.result()
                done[k] = steps
                if on_done is not None:
                    on_done(k, run)
            if on_progress is not None and not plan.cancelled.is_set():
                total = steps * len(networks)
                if on_progress(int(done.sum()), total) is False:
                    plan.cancelled.set()
    finally:
        # Also after Ctrl-C or an error: threads see this at the end of a call.
        plan.cancelled.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return [run for run in runs if run is not None]


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


def _plan(
    spec: MLPSpec,
    data: Dataset,
    steps: int,
    schedule: ArrayLike | None,
    orders: Orders | None,
    record_every: int | None,
    gauge_every: int | None,
    validation: Dataset | None,
    dtype: Any,
    kernel: str,
) -> _Plan:
    factors = None if schedule is None else np.asarray(schedule, dtype=np.float64)
    if factors is not None and factors.shape != (steps,):
        raise ValueError(
            f"schedule has shape {factors.shape}, but there are {steps} steps: give "
            "one factor a step."
        )
    samples = prepare(data, spec, dtype)
    per_epoch = len(data) if orders is None else len(orders(0, 0))
    per_epoch_steps = spec.steps_per_epoch(per_epoch)
    if per_epoch_steps < 1:
        raise ValueError(
            f"{per_epoch} samples make no batch of {spec.batch_size}: give more, or "
            "set drop_last=False."
        )
    if kernel == "auto":
        kernel = "lane" if _suits_lanes(spec) else "row"
    for name, value in (("record_every", record_every), ("gauge_every", gauge_every)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}: give 1 step or more, or None.")
    return _Plan(
        spec=spec,
        layers=lay.layers_of(spec, padded=kernel == "row"),
        problem=lay.problem_of(spec),
        samples=samples,
        schedule=factors,
        steps=steps,
        per_epoch=per_epoch,
        orders=orders,
        record_every=record_every or per_epoch_steps,
        gauge_every=gauge_every,
        validation=validation,
        kernel=kernel,
        dtype=dtype,
        cancelled=threading.Event(),
    )


def _suits_lanes(spec: MLPSpec) -> bool:
    """Tell whether vectors over samples are the faster way."""
    return spec.batch_size >= 8 and max(spec.widths) <= 40


def _compile(
    plan: _Plan, network: Parameters, notify: Callable[[str], None] | None
) -> None:
    """Have every kernel ready, and tell the caller if that takes time."""
    failure: list[BaseException] = []

    def prepare_kernels() -> None:
        try:
            _Trainer(plan, network, 0, 0.0, 0).advance(0)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=prepare_kernels, name="reluctant-compile")
    thread.start()
    thread.join(_PATIENCE_S)
    if thread.is_alive() and notify is not None:
        notify(
            "Compiling the fused engine. It takes about half a minute, and is kept "
            "for later runs."
        )
    thread.join()
    if failure:
        raise failure[0]


def _train(
    plan: _Plan,
    networks: Sequence[Parameters],
    number: int,
    rate: float,
    seed: int,
    done: NDArray[np.int64],
) -> Run:
    trainer = _Trainer(plan, networks[number], number, rate, seed)
    while trainer.now < plan.steps and trainer.stop == "done":
        trainer.advance(trainer.next_stop())
        done[number] = trainer.now
        if plan.cancelled.is_set() and trainer.now < plan.steps:
            trainer.stop = "cancelled"
    return trainer.result()


class _Trainer:
    """One network: its state, how far it is, and what was recorded."""

    def __init__(
        self, plan: _Plan, network: Parameters, number: int, rate: float, seed: int
    ) -> None:
        self.plan, self.number, self.rate, self.seed = plan, number, rate, seed
        self.state = lay.pack(network, plan.spec, plan.layers, plan.dtype)
        self.tables = new_tables(plan.problem)
        self.tally = lay.new_tally(plan.layers)
        self.now = 0
        self.stop: Stop = "done"
        self.block = -1
        self.rows: list[tuple[Any, ...]] = []
        self.fired: list[NDArray[np.int64]] = []
        self.gauged: list[tuple[float, ...]] = []
        self.gauge_scratch = (
            new_gauge_scratch(plan.layers, self.state) if plan.gauge_every else None
        )
        steps = plan.spec.steps_per_epoch(plan.per_epoch)
        self.order = lay.Order(
            np.zeros(0, np.int64), 0, plan.per_epoch, plan.spec.batch_size, steps
        )
        batch = plan.spec.batch_size
        self.scratch: Any
        if plan.kernel == "row":
            self.kernel: Any = train_rows
            self.scratch = new_row_scratch(plan.layers, batch, self.state)
        else:
            self.kernel = train_lanes
            self.scratch = new_lane_scratch(plan.layers, batch, self.state)

    def next_stop(self) -> int:
        """Return the step up to which the kernel can go on undisturbed."""
        plan, now = self.plan, self.now
        stop = min(plan.steps, (now // BLOCK + 1) * BLOCK)
        stop = min(stop, (now // plan.record_every + 1) * plan.record_every)
        if plan.gauge_every is not None:
            stop = min(stop, (now // plan.gauge_every + 1) * plan.gauge_every)
        stop = min(stop, now + max(1, _SAMPLES_A_CALL // plan.spec.batch_size))
        self._order_from(now)
        held = self.order.samples.size // self.order.per_epoch
        return min(stop, (self.order.first_epoch + held) * self.order.steps)

    def advance(self, stop: int) -> None:
        """Go on to step `stop`, and record what is due."""
        plan = self.plan
        if self.now % BLOCK == 0 and self.now != self.block:
            self._open_block()
        if plan.gauge_every is not None and self.now % plan.gauge_every == 0:
            self._gauge(measure=stop > self.now)
        before = int(self.tally.counts[lay.TALLY_STEPS])
        status = self.kernel(
            plan.layers,
            plan.problem,
            plan.samples,
            self.order,
            self.state,
            self.scratch,
            self.tables,
            self.tally,
            self.block,
            self.now,
            stop,
        )
        self.now += int(self.tally.counts[lay.TALLY_STEPS]) - before
        if status == lay.STATUS_NONFINITE:
            self.stop = "nonfinite"
        elif status == lay.STATUS_FROZEN and self._saw_everything():
            self.stop = "frozen"
        if self.plan.kernel == "row" and self.now == self.block + BLOCK:
            self._flush(self.state)
        ended = self.stop != "done" or self.now == plan.steps
        if self.now and (ended or self.now % plan.record_every == 0):
            self._record()

    def result(self) -> Run:
        """Bring the network up to date and return what there is."""
        plan = self.plan
        if plan.kernel == "row":
            self._flush(self.state)
        if self.tally.counts[lay.TALLY_STEPS]:
            self._record()
        finite = self.stop != "nonfinite" and bool(np.isfinite(self.state.w).all())
        columns: list[Any] = list(zip(*self.rows, strict=True)) or [()] * 8
        kinds: tuple[Any, ...] = (int, float, float, int, int, bool, float, float)
        step, loss, score, samples, active, is_finite, held_loss, held_score = (
            np.array(c, dtype=t) for c, t in zip(columns, kinds, strict=True)
        )
        fired = np.array(self.fired, np.int64).reshape(len(self.rows), -1)
        places = zip(plan.layers.unit, plan.layers.n_out, strict=True)
        gauged = np.array(self.gauged, float).reshape(-1, 4)
        return Run(
            parameters=lay.unpack(self.state.w, plan.spec, plan.layers),
            steps=self.now,
            stop=self.stop,
            finite=finite,
            kernel=plan.kernel,
            records=Records(
                step,
                loss,
                score,
                samples,
                active,
                is_finite,
                [fired[:, unit : unit + n] for unit, n in places],
                held_loss,
                held_score,
            ),
            gauges=Gauges(gauged[:, 0].astype(np.int64), *gauged.T[1:]),
        )

    def _open_block(self) -> None:
        plan, self.block = self.plan, self.now
        size = min(BLOCK, max(plan.steps - self.now, 0))
        self.tables.rates[:size] = self.rate
        if plan.schedule is not None:
            self.tables.rates[:size] *= plan.schedule[self.now : self.now + size]
        # Lanes read the rates alone. The tables reach to the end of the block even
        # where steps end before, so that asking for fewer steps changes no bit.
        self.tables.rates[size:] = self.tables.rates[size - 1] if size else 0.0
        correct_bias(self.tables, plan.problem, self.block)
        if plan.kernel == "row":
            fill(self.tables, plan.problem, self.block, BLOCK)
            self._flush(self.state)

    def _flush(self, state: lay.State) -> None:
        plan = self.plan
        flush(state, plan.problem, self.tables, plan.layers, self.block, self.now)

    def _order_from(self, now: int) -> None:
        """Have the order of the epoch that step `now` is in, and of some after it."""
        order, plan = self.order, self.plan
        epoch = now // order.steps
        held = order.samples.size // order.per_epoch
        if held and order.first_epoch <= epoch < order.first_epoch + held:
            return
        if plan.orders is not None:
            samples = np.ascontiguousarray(plan.orders(self.number, epoch), np.int64)
            n = plan.samples.start.size - 1
            if samples.shape != (order.per_epoch,) or (
                samples.min() < 0 or samples.max() >= n
            ):
                raise ValueError(
                    f"orders({self.number}, {epoch}) has shape {samples.shape} and "
                    f"runs from {samples.min()} to {samples.max()}, but an epoch is "
                    f"{order.per_epoch} indices from 0 to {n - 1}."
                )
            samples = samples.copy()
        else:
            last = -(-plan.steps // order.steps)
            epochs = min(_ORDER_ROOM // order.per_epoch, last - epoch)
            samples = np.empty(max(epochs, 1) * order.per_epoch, np.int64)
            shuffled_epochs(samples, self.seed, epoch, max(epochs, 1), order.per_epoch)
        self.order = order._replace(samples=samples, first_epoch=epoch)

    def _saw_everything(self) -> bool:
        """Tell whether the epoch that just ended had every sample in it."""
        order = self.order
        if order.steps * order.batch < order.per_epoch:
            return False
        if self.plan.orders is None:
            return True
        n = self.plan.samples.start.size - 1
        return np.unique(order.samples).size == n

    def _gauge(self, *, measure: bool) -> None:
        plan, state, order = self.plan, self.state, self.order
        assert self.gauge_scratch is not None
        if plan.kernel == "row" and self.now != self.block and state.m.size:
            state = lay.State(*(array.copy() for array in state))
            self._flush(state)
        epoch, step = divmod(self.now, order.steps)
        begin = (epoch - order.first_epoch) * order.per_epoch + step * order.batch
        end = (epoch - order.first_epoch + 1) * order.per_epoch
        batch = order.samples[begin : min(begin + order.batch, end)]
        out = np.zeros(3)
        gauge_step(
            plan.layers,
            plan.problem,
            plan.samples,
            batch.copy(),
            state,
            self.gauge_scratch,
            float(self.tables.rates[self.now - self.block]),
            self.now + 1,
            out,
        )
        if measure:
            self.gauged.append((float(self.now), *out))

    def _record(self) -> None:
        plan, tally = self.plan, self.tally
        steps, samples, right, active, _, finite = (int(c) for c in tally.counts)
        if steps == 0:
            return
        held_loss = held_score = float("nan")
        if plan.validation is not None:
            state = lay.State(*(array.copy() for array in self.state))
            if plan.kernel == "row":
                self._flush(state)
            parameters = lay.unpack(state.w, plan.spec, plan.layers)
            with np.errstate(all="ignore"):
                held_loss, held_score = evaluate(plan.spec, parameters, plan.validation)
        score = right / samples if plan.samples.label.size else float("nan")
        self.rows.append(
            (
                self.now,
                float(tally.loss[0]) / steps,
                score,
                samples,
                active,
                bool(finite),
                held_loss,
                held_score,
            )
        )
        self.fired.append(tally.fired.copy())
        tally.loss[0] = 0.0
        tally.fired[:] = 0
        tally.counts[: lay.TALLY_EPOCH] = 0
