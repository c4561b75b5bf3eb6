"""Run a script as `python` would, under watch."""

import importlib.util
import os
import runpy
import sys
import threading
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from reluctant.live._session import Session, file_name
from reluctant.records import Diagnosis, Finding, UsageError

_PACKAGE = str(Path(__file__).parents[1])


class RunResult(NamedTuple):
    """What became of a script.

    Attributes:
        exit_code: The script's own: 0, what it gave to `sys.exit`, 1 for an exception,
            130 for Ctrl-C.
        diagnoses: One for each training, in the order in which they began.
        folder: Where the records are.
    """

    exit_code: int
    diagnoses: tuple[Diagnosis, ...]
    folder: Path


def run_script(
    target: str,
    arguments: Sequence[str],
    *,
    as_module: bool = False,
    name: str | None = None,
    runs: Path = Path("runs"),
    budget: float = 0.01,
    on_finding: Callable[[Finding, str], None] | None = None,
    census: bool = False,
) -> RunResult:
    """Run a script as `python` would, and watch every training in it.

    Args:
        target: A file, or a module's dotted name.
        arguments: The script's own.
        as_module: Whether `target` is a module, as with `python -m`.
        name: Folder of the record within `runs`; the script's name if left out. A
            number is added if there is one already.
        runs: Where records go.
        budget: Share of the script's time that watching may take; with 1, when to
            look depends on the step alone, so that two runs are looked at alike.
        on_finding: Called with each finding and its training once it is certain.
        census: Whether to go over the largest DataLoader once more when a training has
            ended, and count on how many samples each unit fires.

    Raises:
        UsageError: If there is no such script, or its record cannot be made. Nothing
            that the script itself raises comes out of here: its traceback is printed
            as Python prints it, and its exit code is in the result.
    """
    if as_module and not _has_module(target):
        raise UsageError(
            f"there is no module {target}: give the dotted name of one that "
            f"`python -m {target}` would run from this folder."
        )
    if not as_module and not Path(target).is_file():
        raise UsageError(
            f"{target} is no file, but `reluctant run` takes a Python script: give its "
            f"path, or `-m` and a module's name."
        )
    folder = _new_folder(runs, name or Path(target).stem)
    argv = (("-m", target) if as_module else (target,)) + tuple(arguments)
    session = Session(folder, argv, budget, on_finding, census=census)
    with session.wrapped():
        exit_code = _execute(target, list(arguments), as_module)
        _wait_for_threads()
    diagnoses = session.finish(exit_code)
    if not any(folder.iterdir()):  # nothing was trained
        folder.rmdir()
    return RunResult(exit_code, diagnoses, folder)


def _execute(target: str, arguments: list[str], as_module: bool) -> int:
    """Run the code as `__main__`; its exit code."""
    argv, path = list(sys.argv), list(sys.path)
    main = sys.modules["__main__"]
    sys.argv = [target, *arguments]
    # what `python script.py` and `python -m module` put there
    sys.path[0] = str(Path.cwd()) if as_module else str(Path(target).resolve().parent)
    try:
        if as_module:
            runpy.run_module(target, run_name="__main__", alter_sys=True)
        else:
            _run_file(target)
    except SystemExit as stop:
        return _exit_code(stop)
    except KeyboardInterrupt as stop:
        _show(stop)
        return 130
    except BaseException as error:
        _show(error)
        return 1
    finally:
        sys.argv, sys.path[:] = argv, path
        if as_module:
            sys.modules["__main__"] = main
    return 0


def _has_module(name: str) -> bool:
    """Whether `python -m` would find it, with the working folder first in line."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False
    finally:
        sys.path.remove(here)


def _run_file(target: str) -> None:
    # not runpy.run_path: that takes the module away when the code has run, and with it
    # the globals of functions that are still to be called at exit or in a thread
    path = os.path.abspath(target)  # noqa: PTH100 - as Python does: links unresolved
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=path,
        __builtins__=__builtins__,
        __cached__=None,
        __spec__=None,
        __annotations__={},
    )
    sys.modules["__main__"] = module
    source = Path(path).read_bytes()
    exec(compile(source, path, "exec"), module.__dict__)


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code
    sys.stderr.write(f"{stop.code}\n")
    return 1


def _show(error: BaseException) -> None:
    """Print a traceback as Python would have, without our frames in it."""
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not name.startswith((_PACKAGE, "<frozen runpy>")):
            frames.append(traceback)
        traceback = traceback.tb_next
    shown: types.TracebackType | None = None
    for frame in reversed(frames):
        shown = types.TracebackType(
            shown, frame.tb_frame, frame.tb_lasti, frame.tb_lineno
        )
    sys.stdout.flush()
    sys.excepthook(type(error), error.with_traceback(shown), shown)


def _wait_for_threads() -> None:
    """What the interpreter does at its end: threads of the script go on until done."""
    for thread in threading.enumerate():
        is_ours = thread in (threading.current_thread(), threading.main_thread())
        if not is_ours and not thread.daemon:
            thread.join()


def _new_folder(runs: Path, name: str) -> Path:
    folder, number = runs / file_name(name), 1
    try:
        runs.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
                folder = runs / f"{file_name(name)}-{number}"
    except OSError as error:
        raise UsageError(
            f"the record cannot be made at {folder} ({error.strerror}): give a folder "
            f"that can be written with --runs."
        ) from None
