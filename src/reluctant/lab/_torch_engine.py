"""The engine for any module: one process a core, each building its own trainings.

A worker loads the recipe by name, takes one cell at a time and sends back what came of
it. A worker that takes too long is killed and replaced; one that dies is replaced. Both
cost the one cell they had. Longer than most files: the two sides of one conversation.
"""

import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import msgspec

from reluctant.lab._cells import Attempt, Cell, Setting, in_one_line, no_limit
from reluctant.lab._load import load_recipe
from reluctant.lab._map_train import hard_ground, predict_limit, train_cell
from reluctant.lab._recipe import Recipe
from reluctant.lab._step_size_limit import StepSizeLimit
from reluctant.lab._time_limit import time_limit
from reluctant.records import UsageError

FIRST_TIMEOUT = 1800.0  # seconds, while nothing is known of how long a training takes
TIMEOUT_FACTOR, LEAST_TIMEOUT = 20.0, 60.0  # then: times the median, at least
START_TIMEOUT = 300.0  # seconds to import torch and the recipe's file
_WATCH_EVERY = 1.0  # seconds between looks whether the parent is still there


class _Job(msgspec.Struct, frozen=True):
    """What a worker is asked for: a training, or a prediction."""

    cell: Cell
    steps: int
    gap: float | None = None  # allowed, of a prediction


class TorchEngine:
    """Trains cells in worker processes, or in this one.

    Args:
        recipe: A name that workers load; a function is trained in this process, where a
            cell that hangs in compiled code cannot be stopped.
        steps: Of a training, by setting.
        workers: Processes; 0 trains in this one.
        timeout: Seconds that a training may take; None takes twenty times the median
            of those that are done, and at least a minute.
        seed: Of the predictions.
    """

    name = "torch"

    def __init__(
        self,
        recipe: str | Recipe,
        *,
        steps: dict[Setting, int],
        workers: int,
        timeout: float | None = None,
        seed: int = 0,
    ) -> None:
        self._recipe, self._steps, self._seed = recipe, steps, seed
        self._count = workers if isinstance(recipe, str) else 0
        self._timeout = timeout
        self._workers: list[_Worker] = []
        self._took: list[float] = []

    def run(self, cells: Sequence[Cell], on_done: Callable[[Attempt], None]) -> None:
        """Train all cells; see `Engine`."""
        jobs = [_Job(cell, self._steps[cell.setting]) for cell in cells]
        if not self._count:
            recipe = _loaded(self._recipe)
            for job in jobs:
                with hard_ground(), time_limit(self._limit(), "the training"):
                    attempt = train_cell(recipe, job.cell, job.steps)
                on_done(attempt)
            return

        def done(job: _Job, answer: bytes | None, reason: str, hung: bool) -> None:
            if answer is not None:
                on_done(msgspec.msgpack.decode(answer, type=Attempt))
                return
            stop = "hung" if hung else "raised"
            failed = {"cell": job.cell, "steps": 0, "stop": stop, "reason": reason}
            on_done(msgspec.convert(failed, Attempt, from_attributes=True))

        self._converse(jobs, done)

    def predict(self, setting: Setting, steps: int, gap: float) -> StepSizeLimit:
        """Predict in a worker; see `Engine`."""
        if not self._count:
            with hard_ground():
                recipe = _loaded(self._recipe)
                return predict_limit(recipe, setting, steps, self._seed, gap)
        found: list[StepSizeLimit] = []

        def done(job: _Job, answer: bytes | None, reason: str, hung: bool) -> None:
            if answer is None:
                found.append(no_limit(reason))
            else:
                found.append(msgspec.msgpack.decode(answer, type=StepSizeLimit))

        cell = Cell(setting, 0.0, self._seed)
        self._converse([_Job(cell, steps, gap)], done)
        return found[0]

    def close(self) -> None:
        """End the workers."""
        while self._workers:
            self._workers.pop().kill()

    # --- inside

    def _converse(
        self,
        jobs: list[_Job],
        done: Callable[[_Job, bytes | None, str, bool], None],
    ) -> None:
        waiting = list(reversed(jobs))
        busy: dict[Connection, tuple[_Worker, _Job, float]] = {}
        idle = list(self._workers)
        try:
            while waiting or busy:
                while waiting and len(busy) < self._count:
                    worker = idle.pop() if idle else self._hire()
                    job = waiting.pop()
                    worker.ask(job)
                    busy[worker.line] = (worker, job, time.monotonic())
                for line in wait(list(busy), timeout=0.2):
                    assert isinstance(line, Connection)
                    worker, job, since = busy.pop(line)
                    try:
                        answer = line.recv_bytes()
                    except (EOFError, ConnectionError):
                        worker.must_have_begun()
                        reason = self._dismiss(worker)
                        done(job, None, reason, False)
                        continue
                    if not worker.has_begun:
                        worker.begin(answer)
                        busy[line] = (worker, job, time.monotonic())
                        continue
                    idle.append(worker)
                    if job.gap is None:
                        self._took.append(time.monotonic() - since)
                    done(job, answer, "", False)
                self._end_the_slow(busy, done)
        except BaseException:
            self.close()  # whoever is busy would answer the wrong question later
            raise

    def _end_the_slow(
        self,
        busy: dict[Connection, tuple["_Worker", _Job, float]],
        done: Callable[[_Job, bytes | None, str, bool], None],
    ) -> None:
        now, limit = time.monotonic(), self._limit()
        for line, (worker, job, since) in list(busy.items()):
            if not worker.has_begun:
                if now - since > START_TIMEOUT:
                    raise UsageError(
                        f"a worker process has not loaded the recipe in "
                        f"{START_TIMEOUT:.0f} seconds: what its file does on import "
                        "must end."
                    )
            elif now - since > limit:
                del busy[line]
                self._dismiss(worker)
                done(job, None, f"no answer in {limit:.3g} seconds", True)

    def _limit(self) -> float:
        if self._timeout is not None:
            return self._timeout
        if not self._took:
            return FIRST_TIMEOUT
        return max(LEAST_TIMEOUT, TIMEOUT_FACTOR * statistics.median(self._took))

    def _hire(self) -> "_Worker":
        assert isinstance(self._recipe, str)
        worker = _Worker(self._recipe)
        self._workers.append(worker)
        return worker

    def _dismiss(self, worker: "_Worker") -> str:
        self._workers.remove(worker)
        return worker.kill()


class _Worker:
    """A process, and the line to it. Its first word says whether it has the recipe."""

    def __init__(self, reference: str) -> None:
        context = get_context("spawn")
        self.line, theirs = context.Pipe()
        arguments = (theirs, reference, os.getpid())
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.has_begun = False

    def begin(self, word: bytes) -> None:
        """Take its first word: empty, or what is wrong with the recipe's file."""
        if word:
            raise UsageError(word.decode())
        self.has_begun = True

    def must_have_begun(self) -> None:
        """Tell a worker that never was from one that died at its work."""
        if not self.has_begun:
            raise UsageError(
                "a worker process ended before it began: call success_map under "
                "`if __name__ == '__main__':`, since workers import the main script."
            )

    def ask(self, job: _Job) -> None:
        """Give it something to do; it waits in the line until the worker is there."""
        self.line.send_bytes(msgspec.msgpack.encode(job))

    def kill(self) -> str:
        """End it; how it had ended by itself."""
        self._process.join(0.2)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
        self.line.close()
        how = f"by signal {-code}" if code is not None and code < 0 else f"with {code}"
        return f"the worker process ended {how}"


def _serve(line: Connection, reference: str, parent: int) -> None:
    """What a worker process does: until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    sys.stdout.flush()
    os.dup2(2, 1)  # what a recipe prints must not end up in the map
    try:
        recipe = load_recipe(reference)
    # the parent says it, whatever the recipe's file raises
    except (Exception, SystemExit) as error:
        line.send_bytes(in_one_line(error).encode())
        return
    line.send_bytes(b"")
    with hard_ground():
        while True:
            try:
                job = msgspec.msgpack.decode(line.recv_bytes(), type=_Job)
            except (EOFError, ConnectionError):
                return
            answer: Any
            cell = job.cell
            if job.gap is not None:
                answer = predict_limit(
                    recipe, cell.setting, job.steps, cell.seed, job.gap
                )
            else:
                answer = train_cell(recipe, cell, job.steps)
            line.send_bytes(msgspec.msgpack.encode(answer))


def _follow(parent: int) -> None:
    """End this process when its parent is gone, whatever it is doing."""
    while os.getppid() == parent:
        time.sleep(_WATCH_EVERY)
    os._exit(1)


def _loaded(recipe: str | Recipe) -> Recipe:
    return load_recipe(recipe) if isinstance(recipe, str) else recipe


def reference_of(recipe: Recipe) -> str | None:
    """A name by which another process can load this function, if there is one."""
    name = getattr(recipe, "__qualname__", "")
    module = sys.modules.get(getattr(recipe, "__module__", None) or "")
    if not name.isidentifier() or getattr(module, name, None) is not recipe:
        return None
    assert module is not None
    file = getattr(module, "__file__", None)
    if file and _origin(module.__name__) == file:
        return f"{module.__name__}:{name}"
    return f"{Path(file)}:{name}" if file and file.endswith(".py") else None


def _origin(module: str) -> str | None:
    """The file that another process would import by this name."""
    names, path, spec = module.split("."), None, None
    for depth in range(len(names)):
        spec = PathFinder.find_spec(".".join(names[: depth + 1]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec.origin if spec else None
