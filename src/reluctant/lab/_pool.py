"""Independent tasks on all cores, in forked processes that inherit what they need.

Nothing has to be pickled on the way in, so that a user's closures and models will do.
Where processes cannot be forked (not Linux, or an accelerator in use) all tasks run
here, one after the other, to the same results.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from reluctant.lab._map_train import hard_ground

Task = Callable[[], Any]


class TaskDied(RuntimeError):
    """The process of a task ended before it answered."""


def processors() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_all(
    tasks: Sequence[Task], *, workers: int, deadline: float | None = None
) -> Iterator[tuple[int, Any]]:
    """Run tasks; positions with results, as they come.

    A task may raise: then the exception is its result. What is not done at the deadline
    is left out.

    Args:
        tasks: Each gives something that can be pickled.
        workers: Processes at a time.
        deadline: Of `time.monotonic`.
    """
    can_fork = (
        sys.platform == "linux"
        and threading.current_thread() is threading.main_thread()
        and not torch.cuda.is_initialized()
    )
    if min(workers, len(tasks)) < 2 or not can_fork:
        for position, task in enumerate(tasks):
            if deadline is not None and time.monotonic() > deadline:
                return
            with hard_ground():
                yield position, _result(task)
        return
    yield from _in_processes(tasks, workers, deadline)


def _in_processes(
    tasks: Sequence[Task], workers: int, deadline: float | None
) -> Iterator[tuple[int, Any]]:
    context = multiprocessing.get_context("fork")
    waiting = list(range(len(tasks)))[::-1]
    busy: dict[Connection, tuple[Any, int]] = {}
    idle: list[tuple[Connection, Any]] = []
    alive: list[Any] = []

    def hire() -> tuple[Connection, Any]:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, tasks), daemon=True)
        with warnings.catch_warnings():
            # threads of ours wait for work and hold no lock; DataLoader forks, too
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        alive.append(process)
        return ours, process

    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                line, process = idle.pop() if idle else hire()
                position = waiting.pop()
                line.send(position)
                busy[line] = (process, position)
            for ready in wait(list(busy), timeout=0.2):
                assert isinstance(ready, Connection)
                process, position = busy.pop(ready)
                try:
                    answer = pickle.loads(ready.recv_bytes())
                except (EOFError, ConnectionError):
                    process.join(1)
                    ended = f"the process ended with {process.exitcode}"
                    yield position, TaskDied(ended)
                    continue
                idle.append((ready, process))
                yield position, answer
            if deadline is not None and time.monotonic() > deadline:
                return
    finally:
        for process in alive:
            process.kill()
        for process in alive:
            process.join()


def _serve(line: Connection, tasks: Sequence[Task]) -> None:
    """What a forked process does until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    sys.stdout.flush()
    os.dup2(2, 1)  # what a user's code prints must not end up in a document
    with hard_ground():
        while True:
            try:
                position = line.recv()
            except (EOFError, ConnectionError):
                os._exit(0)
            line.send_bytes(pickle.dumps(_result(tasks[position])))


def _result(task: Task) -> Any:
    try:
        return task()
    # one task that breaks costs itself alone, whatever the user's code raises
    except (Exception, SystemExit) as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return RuntimeError(f"{type(error).__name__}: {error}")
        return error
