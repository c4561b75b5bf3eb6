"""Passes without gradients: in which mode a script evaluates, with a loss or without.

Under `reluctant run` the ways into a stretch without gradients are wrapped; entering
one costs a comparison. Only there the calls of modules are listened to, until the next
loss that trains. An evaluation comes as a phase: passes after a stretch of many steps
without any. What comes between single steps is part of a training: a teacher's targets,
a generator's fakes, an actor's moves.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from reluctant.live._forward_look import tensors_in
from reluctant.live._governor import clock
from reluctant.live._models import keeps_statistics
from reluctant.live._modes import with_modes
from reluctant.live._recorder import Recorder
from reluctant.probes._base import widest
from reluctant.records.quantities import (
    EVALUATION_INPUTS,
    EVALUATION_PASSES,
    EVALUATION_SAMPLES,
    EVALUATION_TRAINING,
)

_STRETCH = 10  # steps without a pass, after which passes are an evaluation
_MOST_PASSES = 128  # of one evaluation that are looked at

_MARKED = 512  # entries of an input by which it is known again


@contextmanager
def seen_without_gradients(on_enter: Callable[[], None]) -> Iterator[None]:
    """Tell whenever gradients are switched off.

    Args:
        on_enter: Must not raise.
    """

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def seen(*args: Any, **kwargs: Any) -> Any:
            value = function(*args, **kwargs)
            if not torch.is_grad_enabled() and not torch.compiler.is_compiling():
                on_enter()
            return value

        return seen

    own = [
        (home, name, getattr(home, name))
        for home, name in (
            (torch.no_grad, "__enter__"),
            (torch.inference_mode, "__enter__"),
            (torch.set_grad_enabled, "__init__"),
        )
    ]
    for home, name, function in own:
        setattr(home, name, wrapped(function))
    try:
        yield
    finally:
        for home, name, function in own:
            setattr(home, name, function)


class EvaluationLook:
    """Adds up the passes of one evaluation.

    Args:
        recorder: Where readings go.
        modules: All of the model.
    """

    def __init__(self, recorder: Recorder, modules: Iterable[nn.Module]) -> None:
        self._recorder = recorder
        self._known = {id(m) for m in modules}
        self._called: WeakSet[nn.Module] = WeakSet()
        self._last = -1  # step of the last pass; -1 before the first
        self._began = -1
        self._share = 1.0
        self._passes = self._samples = 0
        self._marks: list[Tensor] = []
        self._modes: list[nn.Module] = []
        self._first: nn.Module | None = None
        self._is_lost = False

    @property
    def is_full(self) -> bool:
        """Whether enough of this evaluation was seen."""
        return self._is_lost or self._passes >= _MOST_PASSES

    def on_training(self, module: nn.Module) -> None:
        """A module that the script calls, and no other module, when it trains."""
        self._called.add(module)

    def on_call(self, module: nn.Module, args: Any) -> None:
        """A module is called without gradients: by the script, or by another module?"""
        if self.is_full or id(module) not in self._known:
            return
        if self._called:
            if module not in self._called:
                return
        elif self._first is None:  # before any training: what comes first is outermost
            self._first = module
        elif self._first is not module:
            return
        start = clock()
        self._add(module, args)
        self._recorder.governor.charge(clock() - start)

    def _add(self, module: nn.Module, args: Any) -> None:
        if not self._passes:
            self._began = self._recorder.now.step
            self._modes = with_modes(module)
            self._share = 1.0
            if any(_starts_over(m) for m in self._modes):
                self._modes = []
        self._passes += 1
        if self._modes:
            training = sum(m.training for m in self._modes)
            self._share = min(self._share, training / len(self._modes))
        first = next(iter(tensors_in(args)), None)
        if first is not None and first.ndim and first.layout == torch.strided:
            self._samples += first.shape[0]
            self._marks.append(_mark(first.detach()))

    def emit(self) -> None:
        """Training goes on, or has ended: what kind of passes were these?"""
        if not self._passes or self._is_lost:
            return
        passes, marks, samples = self._passes, self._marks, self._samples
        modes, before, began = self._modes, self._last, self._began
        self._passes = self._samples = 0
        self._marks, self._modes, self._last = [], [], began
        self._first = None
        collects = began == 0 and passes > 1 and self._share == 1
        if collects or (before >= 0 and began - before < _STRETCH):
            self.lose()
        elif modes and began >= _STRETCH:
            self._recorder.add(EVALUATION_TRAINING, "", self._share)
            self._recorder.add(EVALUATION_PASSES, "", float(passes))
            self._recorder.add(EVALUATION_SAMPLES, "", samples / passes)
            values = torch.stack(marks).tolist() if marks else []
            self._recorder.add(EVALUATION_INPUTS, "", float(len(set(values))))

    def lose(self) -> None:
        """Passes without gradients are part of this training."""
        if not self._is_lost:
            self._is_lost = True
            self._marks, self._modes, self._first = [], [], None
            self._recorder.add(EVALUATION_TRAINING, "", float("nan"))


class Listener:
    """Hears of modules that are called while gradients are off.

    Args:
        on_call: Is given each module and its inputs; whether to listen on.
    """

    def __init__(self, on_call: Callable[[nn.Module, Any], bool]) -> None:
        self._on_call = on_call
        self._handle: Any = None

    @property
    def is_listening(self) -> bool:
        """Whether it does."""
        return self._handle is not None

    def start(self) -> None:
        """Listen until gradients are on again."""
        register = nn.modules.module.register_module_forward_pre_hook
        self._handle = self._handle or register(self._hear)

    def stop(self) -> None:
        """Take the hook away."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()

    # A hook must return None: anything else would replace the user's inputs.
    def _hear(self, module: nn.Module, args: Any) -> None:
        if torch.is_grad_enabled() or not self._on_call(module, args):
            self.stop()


def _starts_over(module: nn.Module) -> bool:
    """Whether a norm's statistics are computed anew, which takes its training mode."""
    if not keeps_statistics(module):
        return False
    seen = getattr(module, "num_batches_tracked", None)
    is_reset = isinstance(seen, Tensor) and int(seen) < _STRETCH
    return getattr(module, "momentum", 0.1) is None or is_reset


def _mark(x: Tensor) -> Tensor:
    """A number that is the same for the same input; nothing waits for a device."""
    flat = x.reshape(-1)
    some = widest(flat[:: max(1, len(flat) // _MARKED)][:_MARKED])
    place = torch.arange(1, len(some) + 1, dtype=some.dtype, device=some.device)
    return (some * place.sin()).sum()
