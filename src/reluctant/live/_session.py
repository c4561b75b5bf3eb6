"""All trainings of one script, found and watched through a wrapped torch.

Only while a script runs under `reluctant run` is torch wrapped:
`torch.autograd.backward` (which `Tensor.backward` calls), to see a loss before its
gradients; `Optimizer.__init__`, to learn what is trained before its first step;
`GradScaler.scale`, to see the loss before it was scaled; `torch.compile`, to keep out
of what it compiles; the loss functions, to see what an evaluation computes; the ways
to switch gradients off, to see in which mode it does. All are put back when the script
has ended.
"""

import gc
import os
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from reluctant.diagnosis import diagnose
from reluctant.live._attach import trace_path
from reluctant.live._describe import named
from reluctant.live._evaluations import Listener, seen_without_gradients
from reluctant.live._graph import leaves
from reluctant.live._held_out import place, seen_losses
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
from reluctant.records import Confidence, Diagnosis, Finding, Severity

_MOST_TRAININGS = 50
_RECENT = 50  # backward passes for which a training counts as under way
_SPEAK_SHARE = 0.002  # of the run's time that looking for certain findings may take


class Session:
    """All trainings of one script."""

    def __init__(
        self,
        folder: Path,
        argv: tuple[str, ...],
        budget: float,
        on_finding: Callable[[Finding, str], None] | None,
        *,
        census: bool = False,
    ) -> None:
        self._folder, self._argv, self._budget = folder, argv, budget
        self._census = census
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
        self._latest: Watch | None = None  # trained last
        self._is_busy = False
        self._listener = Listener(self._on_quiet_call)

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
            with (
                seen_losses(partial(self._quietly, self._on_held_out)),
                seen_without_gradients(self._on_quiet),
            ):
                yield
        finally:
            self._listener.stop()
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
        self._listener.stop()
        self._is_busy = True  # what our looks call is no evaluation
        try:
            self._on_losses(tensors)
        finally:
            self._is_busy = False

    def _on_losses(self, tensors: Any) -> None:
        losses = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        for loss in losses:
            scaled, raw = self._unscaled or (lambda: None, lambda: None)
            if loss is scaled() and (unscaled := raw()) is not None:
                loss = unscaled
            watch = self._watch_of(loss)
            if watch is None:
                continue
            before, self._latest = self._latest, watch
            is_back = before is not watch and id(watch) in self._last_used
            if before is not None and is_back:
                before.share_the_training()
                watch.share_the_training()
            self._backwards += 1
            self._last_used[id(watch)] = self._backwards
            if not watch.has_optimizer:
                watch.count_backward_as_step()
            watch.loss(loss)
            self._speak(watch)

    def _on_held_out(self, loss: object) -> None:
        """A loss was computed without gradients: by the model that trained last."""
        if self._is_ours or os.getpid() != self._pid or not isinstance(loss, Tensor):
            return
        alive = [w for w in self._watches if w.parameters]
        if alive and loss.is_floating_point() and loss.numel():
            last = max(alive, key=lambda w: self._last_used.get(id(w), 0))
            last.held_out(loss, place())

    def _on_quiet(self) -> None:
        """Gradients were switched off: by an evaluation? Must cost next to nothing."""
        if self._listener.is_listening or self._is_busy or self._compiles:
            return
        watch = self._latest or (self._watches[-1] if self._watches else None)
        if watch is not None and watch.is_between_steps and os.getpid() == self._pid:
            self._listener.start()

    def _on_quiet_call(self, module: nn.Module, args: Any) -> bool:
        """A module is called without gradients; whether to listen on."""
        watch = self._latest or (self._watches[-1] if self._watches else None)
        if watch is None or self._is_busy or self._compiles:
            return False
        return watch.on_quiet_call(module, args)

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
        if not alive:  # what is trained now came another way, out of a checkpoint say
            return self._without_optimizer(loss)
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
                self._folder / f"{len(self._watches) + 1:02d}-{file_name(name)}.trace",
                name,
            ),
            argv=self._argv,
            census=self._census,
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


def file_name(name: str) -> str:
    """A name as a folder or file can bear it."""
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    return kept.strip("-.") or "run"
