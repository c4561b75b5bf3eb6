"""The losses of an evaluation: what a script computes without gradients.

Under `reluctant run` the loss functions of `torch.nn.functional`, which the modules
call too, are wrapped; a call with gradients on passes straight through. The wrappers
step aside for `torch.compile` and `torch.jit.script`, which would have to compile them.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reluctant.live._models import keeps_statistics
from reluctant.live._modes import with_modes
from reluctant.live._recorder import Recorder
from reluctant.records.quantities import EVALUATED_TRAINING, HELD_OUT_LOSS

_LOSSES = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "gaussian_nll_loss", "huber_loss", "l1_loss", "mse_loss", "nll_loss",
    "poisson_nll_loss", "smooth_l1_loss",
)  # fmt: skip
_FRAMES = 5  # of the script's own, by which two evaluations are told apart
_MOST_SERIES = 8  # evaluations that are followed


@contextmanager
def seen_losses(on_loss: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand over every loss that is computed without gradients.

    Args:
        on_loss: Must not raise.
    """
    own = {name: getattr(F, name) for name in _LOSSES}
    script = torch.jit.script

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def seen(*args: Any, **kwargs: Any) -> Any:
            value = function(*args, **kwargs)
            if not torch.is_grad_enabled() and not torch.compiler.is_compiling():
                on_loss(value)
            return value

        return seen

    ours = {name: wrapped(function) for name, function in own.items()}

    def put(functions: dict[str, Any]) -> None:
        for name, function in functions.items():
            setattr(F, name, function)

    def seen_script(*args: Any, **kwargs: Any) -> Any:
        put(own)
        try:
            return script(*args, **kwargs)
        finally:
            put(ours)

    put(ours)
    torch.jit.script = seen_script
    try:
        yield
    finally:
        put(own)
        torch.jit.script = script


class HeldOut:
    """Adds up the losses of one evaluation, each place in the script apart."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._labels: dict[object, str] = {}
        self._training: dict[str, float] = {}

    def add(
        self,
        loss: Tensor,
        model: nn.Module | None,
        place: tuple[object, str] = ("", ""),
    ) -> None:
        """One more loss, of which model, and where it was computed."""
        key, label = place
        if key not in self._labels:
            if len(self._labels) >= _MOST_SERIES:
                return
            count = sum(x.partition(" #")[0] == label for x in self._labels.values())
            self._labels[key] = f"{label} #{count + 1}" if count else label
        site = self._labels[key]
        value = loss.detach().double() if loss.device.type != "mps" else loss.detach()
        total, count = self._sums.get(site, (torch.zeros_like(value.mean()), 0))
        self._sums[site] = total + value.mean(), count + 1
        if site not in self._training and model is not None:
            # what is handed over is an evaluation, what is overheard may be anything
            parts = model.modules() if label else with_modes(model)
            modes = [m.training for m in parts if not label or keeps_statistics(m)]
            if modes:
                self._training[site] = sum(modes) / len(modes)

    def emit(self) -> None:
        """An evaluation is over when training goes on: record its means."""
        if self._sums:
            for site, (total, count) in self._sums.items():
                self._recorder.add(HELD_OUT_LOSS, site, total / count)
            for site, share in self._training.items():
                self._recorder.add(EVALUATED_TRAINING, site, share)
            self._sums, self._training = {}, {}


def place() -> tuple[object, str]:
    """Where in the script we are: by its innermost frames, and in words."""
    frame: FrameType | None = sys._getframe(1)
    inside = ("reluctant.", "torch.")
    found: list[FrameType] = []
    while frame is not None and len(found) < _FRAMES:
        if not f"{frame.f_globals.get('__name__', '')}.".startswith(inside):
            found.append(frame)
        frame = frame.f_back
    if not found:
        return "", ""
    name = found[0].f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    key = tuple((f.f_code, f.f_lineno) for f in found)
    return key, f"{name}:{found[0].f_lineno}"
