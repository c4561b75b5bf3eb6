"""Steps that a gradient scaler left out: they were called, and not taken."""

import gc
import weakref
from typing import Any

import torch
from torch import Tensor

from reluctant.live._recorder import Recorder
from reluctant.records.quantities import GRAD_SCALE, STEP_SKIPPED


class ScalerLook:
    """Follows the scale of the scaler that an optimizer is stepped through.

    A scaler that meets inf or nan does not call the optimizer, so no hook of ours runs;
    but it lowers its scale. It is looked for once a second loss arrives without a step
    in between, and its scale is read where that keeps no device waiting.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._scaler: weakref.ref[Any] | None = None
        self._is_sought = False
        self._scale = float("inf")

    def skipped(self, pending: int) -> bool:
        """Whether the step before was left out; to be asked before a loss is counted.

        Args:
            pending: Losses since the last step.
        """
        if pending and not self._is_sought:
            self._is_sought = True
            self._scaler = _live_scaler()
        scaler = self._scaler() if self._scaler is not None else None
        scale = getattr(scaler, "_scale", None)
        if scaler is None or not isinstance(scale, Tensor):
            return False
        if scale.device.type != "cpu" and not self._recorder.now.deep:
            return False
        if self._scale == float("inf"):
            self._scale = float(scaler._init_scale)
        before, self._scale = self._scale, float(scale)
        fell = self._scale < before or self._scale == 0
        if not (pending and fell):
            return False
        self._recorder.add(GRAD_SCALE, "", self._scale)
        self._recorder.add(STEP_SKIPPED, "", 1.0)
        return True


def _live_scaler() -> "weakref.ref[Any] | None":
    """The scaler in use, if there is exactly one."""
    found = [o for o in gc.get_objects() if issubclass(type(o), torch.amp.GradScaler)]
    found = [o for o in found if o.is_enabled()]
    return weakref.ref(found[0]) if len(found) == 1 else None
