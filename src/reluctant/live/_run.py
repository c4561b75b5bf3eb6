"""Watch a script that knows nothing of us.

Here, and only here, torch is wrapped: `torch.autograd.backward` (which
`Tensor.backward` calls), to see a loss before its gradients; `Optimizer.__init__`, to
learn what is trained before its first step; `GradScaler.scale`, to see the loss before
it was scaled; `torch.compile`, to keep out of what it compiles. All are put back when
the script has ended.
"""

import gc
import os
import runpy
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import reluctant
from reluctant.diagnosis import diagnose
from reluctant.live._attach import trace_path
from reluctant.live._describe import named
from reluctant.live._graph import leaves
from reluctant.live._models import (
    caller,
    combined,
    is_scalar,
    live_optimizers,
    models_of,
    names_of,
)
from reluctant.live._watch import Watch
from reluctant.probes import PROBES
from reluctant.records import Confidence, Diagnosis, Finding, Severity, UsageError

_MOST_TRAININGS = 50
_RECENT = 50  # backward passes for which a training counts as under way
_SPEAK_SHARE = 0.002  # of the run's time that looking for certain findings may take
_PACKAGE = str(Path(reluctant.__file__).parent)


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
) -> RunResult:
    """Run a script as `python` would, and watch every training in it.

    Args:
        target: A file, or a module's dotted name.
        arguments: The script's own.
        as_module: Whether `target` is a module, as with `python -m`.
        name: Folder of the record within `runs`; the script's name if left out. A
            number is added if there is one already.
        runs: Where records go.
        budget: Share of the script's time that watching may take.
        on_finding: Called with each finding and its training once it is certain.

    Raises:
        UsageError: If there is no such script, or its record cannot be made. Nothing
            that the script itself raises comes out of here: its traceback is printed
            as Python prints it, and its exit code is in the result.
    """
    if not as_module and not Path(target).is_file():
        raise UsageError(
            f"{target} is no file, but `reluctant run` takes a Python script: give its "
            f"path, or `-m` and a module's name."
        )
    folder = _new_folder(runs, name or Path(target).stem)
    argv = (("-m", target) if as_module else (target,)) + tuple(arguments)
    session = _Session(folder, argv, budget, on_finding)
    with session.wrapped():
        exit_code = _execute(target, list(arguments), as_module)
        _wait_for_threads()
    return RunResult(exit_code, session.finish(exit_code), folder)


class _Session:
    """All trainings of one script."""

    def __init__(
        self,
        folder: Path,
        argv: tuple[str, ...],
        budget: float,
        on_finding: Callable[[Finding, str], None] | None,
    ) -> None:
        self._folder, self._argv, self._budget = folder, argv, budget
        self._on_finding = on_finding
        self._watches: list[Watch] = []
        self._models: list[nn.Module] = []  # combined ones, which nobody else holds
        self._backwards = 0
        self._last_used: dict[int, int] = {}
        self._sites: dict[object, int] = {}
        self._unscaled: tuple[weakref.ref[Tensor], weakref.ref[Tensor]] | None = None
        self._compiles = self._is_ours = self._is_full = False
        self._ready: dict[int, set[str]] = {}
        self._said: set[tuple[int, str]] = set()
        self._spoke, self._speaking_s = time.perf_counter(), 0.0
        self._pid = os.getpid()

    @contextmanager
    def wrapped(self) -> Iterator[None]:
        """Torch, wrapped; and put back."""
        backward, make = torch.autograd.backward, Optimizer.__init__
        scale, compile_ = torch.amp.GradScaler.scale, torch.compile
        module_compile = nn.Module.compile

        def seen_backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            self._quietly(self._before_backward, tensors)
            return backward(tensors, *args, **kwargs)

        def seen_make(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
            make(optimizer, *args, **kwargs)
            self._quietly(self._on_optimizer, optimizer)

        def seen_scale(scaler: Any, outputs: Any) -> Any:
            scaled = scale(scaler, outputs)
            if isinstance(outputs, Tensor) and isinstance(scaled, Tensor):
                self._unscaled = weakref.ref(scaled), weakref.ref(outputs)
            return scaled

        def seen_compile(*args: Any, **kwargs: Any) -> Any:
            self._quietly(self._on_compile)
            return compile_(*args, **kwargs)

        def seen_module_compile(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            self._quietly(self._on_compile)
            module_compile(module, *args, **kwargs)

        wraps = (
            (torch.autograd, "backward", backward, seen_backward),
            (Optimizer, "__init__", make, seen_make),
            (torch.amp.GradScaler, "scale", scale, seen_scale),
            (torch, "compile", compile_, seen_compile),
            (nn.Module, "compile", module_compile, seen_module_compile),
        )
        for home, name, _, seen in wraps:
            setattr(home, name, seen)
        try:
            yield
        finally:
            for home, name, own, _ in wraps:
                setattr(home, name, own)

    def finish(self, exit_code: int) -> tuple[Diagnosis, ...]:
        """Close every record, and judge it."""
        how = "the script ended" if exit_code == 0 else f"the script exited {exit_code}"
        diagnoses = []
        for watch in self._watches:
            watch.end(how)
            watch.detach()
            if watch.step or watch.trace.last_step >= 0:
                diagnoses.append(watch.diagnosis)
        return tuple(diagnoses)

    # --- what torch tells us

    def _on_optimizer(self, optimizer: Optimizer) -> None:
        if self._is_ours or os.getpid() != self._pid:
            return
        held = [p for group in optimizer.param_groups for p in group["params"]]
        mine = {id(p) for p in held}
        for watch in self._watches:
            if any(id(p) in mine for p in watch.parameters.values()):
                watch.add(optimizer)
                return
        self._begin(held, [optimizer])

    def _before_backward(self, tensors: Any) -> None:
        if self._is_ours or os.getpid() != self._pid:
            return
        losses = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        for loss in losses:
            scaled, raw = self._unscaled or (lambda: None, lambda: None)
            if loss is scaled() and (unscaled := raw()) is not None:
                loss = unscaled
            watch = self._watch_of(loss)
            if watch is None:
                continue
            self._backwards += 1
            self._last_used[id(watch)] = self._backwards
            if not watch.has_optimizer:
                watch.count_backward_as_step()
            watch.loss(loss)
            self._speak(watch)

    def _on_compile(self) -> None:
        self._compiles = True
        for watch in self._watches:
            watch.hide("torch.compile")

    # --- which training is meant

    def _watch_of(self, loss: Tensor) -> Watch | None:
        """The training that a loss belongs to, by what its graph reaches."""
        if not self._watches:
            return self._without_optimizer(loss)
        now = self._backwards
        alive = [w for w in self._watches if w.parameters]
        recent = [
            w
            for w in alive
            if w.step == 0 or now - self._last_used.get(id(w), 0) < _RECENT
        ] or alive
        if len(recent) == 1:
            return recent[0]
        frame = caller()
        place = (frame.f_code, frame.f_lasti) if frame else None
        site = (place, tuple(map(id, recent)))
        if site not in self._sites and is_scalar(loss) and loss.grad_fn is not None:
            reached = leaves(loss.grad_fn)
            shares = [
                sum(id(p) in reached for p in w.parameters.values())
                / max(len(w.parameters), 1)
                for w in recent
            ]
            # a generator's loss runs through the discriminator: both are reached in
            # full, and the one whose step comes first in the loop was made first
            best = max(range(len(recent)), key=lambda i: (shares[i], -i))
            if shares[best] == 0:
                return None
            tied = [i for i, share in enumerate(shares) if share == shares[best]]
            if len(tied) > 1:
                return min((recent[i] for i in tied), key=self._staleness)
            self._sites[site] = best
        index = self._sites.get(site)
        return recent[index] if index is not None else None

    def _staleness(self, watch: Watch) -> int:
        return self._last_used.get(id(watch), 0)

    def _without_optimizer(self, loss: Tensor) -> Watch | None:
        """A training that moves its weights by hand."""
        if not is_scalar(loss) or loss.grad_fn is None:
            return None
        reached = leaves(loss.grad_fn)
        held = [
            o
            for o in gc.get_objects()
            if issubclass(type(o), Tensor) and id(o) in reached and o.requires_grad
        ]
        optimizers = [
            o
            for o in live_optimizers()
            if any(id(p) in reached for g in o.param_groups for p in g["params"])
        ]
        return self._begin(held, optimizers)

    def _begin(
        self, held: Sequence[Tensor], optimizers: Sequence[Optimizer]
    ) -> Watch | None:
        if len(self._watches) >= _MOST_TRAININGS:
            if not self._is_full:
                self._is_full = True
                self._watches[-1].end(
                    f"further trainings were not watched: {_MOST_TRAININGS} were begun"
                )
            return None
        models = models_of(held)
        model: nn.Module | None = None
        if models:
            model = models[0] if len(models) == 1 else combined(models)
            if len(models) > 1:
                self._models.append(model)
            parameters = named(model)
            name = " + ".join(type(m).__name__ for m in models)
        else:
            parameters = names_of([p for p in held if p.requires_grad], caller())
            name = "bare tensors"
        if not parameters:
            return None
        watch = Watch(
            parameters,
            optimizers,
            model=model,
            name=self._unique(name),
            budget=self._budget,
            probes=[probe() for probe in PROBES],
            sink=trace_path(
                self._folder / f"{len(self._watches) + 1:02d}-{_file_name(name)}.trace",
                name,
            ),
            argv=self._argv,
        )
        if not optimizers:
            watch.hide("no torch optimizer: a step is counted at each backward")
        if self._compiles:
            watch.hide("torch.compile")
        self._watches.append(watch)
        return watch

    def _unique(self, name: str) -> str:
        taken = {watch.name for watch in self._watches}
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name} #{number}"
        return unique

    # --- what is certain is said at once

    def _speak(self, watch: Watch) -> None:
        """Say what two looks in a row have found, as the budget for looking allows."""
        if self._on_finding is None or not watch.has_news:
            return
        now = time.perf_counter()
        if now - self._spoke < max(1.0, self._speaking_s / _SPEAK_SHARE):
            return
        certain = [
            f
            for f in diagnose(watch.trace).findings
            if f.severity is not Severity.NOTE and f.confidence is Confidence.HIGH
        ]
        before = self._ready.get(id(watch), set())
        self._ready[id(watch)] = {f.code for f in certain}
        for finding in certain:
            if finding.code in before and (id(watch), finding.code) not in self._said:
                self._said.add((id(watch), finding.code))
                self._on_finding(finding, watch.name)
        self._spoke = time.perf_counter()
        self._speaking_s = self._spoke - now
        watch.charge(self._speaking_s)

    def _quietly(self, act: Callable[..., Any], *args: Any) -> None:
        """Whatever happens in here, the script goes on."""
        nested, self._is_ours = self._is_ours, True
        try:
            if not nested:
                self._is_ours = False
                act(*args)
        except Exception as error:
            if self._watches:
                self._watches[-1].blame("run", error)
        finally:
            self._is_ours = nested


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


def _run_file(target: str) -> None:
    # not runpy.run_path: that takes the module away when the code has run, and with it
    # the globals of functions that are still to be called at exit or in a thread
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=target, __builtins__=__builtins__, __cached__=None, __spec__=None
    )
    sys.modules["__main__"] = module
    source = Path(target).read_bytes()
    exec(compile(source, target, "exec"), module.__dict__)


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
    folder, number = runs / _file_name(name), 1
    try:
        runs.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1
                folder = runs / f"{_file_name(name)}-{number}"
    except OSError as error:
        raise UsageError(
            f"the record cannot be made at {folder} ({error.strerror}): give a folder "
            f"that can be written with --runs."
        ) from None


def _file_name(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    return kept.strip("-.") or "run"
