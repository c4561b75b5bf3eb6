"""From tensors on a device to frames on disk: one copy a sampled step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reluctant.live._governor import Governor
from reluctant.probes import Measurement, Probe
from reluctant.records import Note, Quantity, Trace, Value
from reluctant.records.quantities import LOSS

_FLUSH_S = 0.2  # at most this much of a record is lost to a killed process
_MOST_PENDING = 64  # losses of a device that wait for one copy together


@dataclass
class Moment:
    """Where a training is, and how closely the present step is looked at.

    Attributes:
        step: Optimizer steps taken so far.
        light: Whether this step is looked at.
        deep: Whether it is sampled in depth.
        in_gauge: Whether the backward pass that runs is our own.
        in_step: Whether `optimizer.step` runs: a closure may then run several losses.
    """

    step: int = 0
    light: bool = False
    deep: bool = False
    in_gauge: bool = False
    in_step: bool = False


class Recorder:
    """Collects what one step measured, and writes it when the step has ended.

    Also the place where whatever fails goes blind: the training must go on.

    Args:
        trace: Grows by one frame a recorded step.
        governor: Is charged for what looking costs.
    """

    def __init__(self, trace: Trace, governor: Governor) -> None:
        self.now = Moment()
        self.governor = governor
        self.saw_loss = False
        self._trace = trace
        self._rows: list[Measurement] = []
        self._loss: Tensor | float | None = None
        self._pending: list[tuple[int, Tensor]] = []
        self._blind: set[str] = set()
        self._flushed = time.perf_counter()

    # --- collecting

    def add(self, quantity: Quantity, site: str, value: Tensor | float) -> None:
        """Keep one reading until the step ends."""
        if not isinstance(value, Tensor):
            value = torch.tensor(value, dtype=torch.float64)
        self._rows.append(Measurement(quantity, site, value))

    def measure(self, probe: Probe, *seen: Any) -> None:
        """Take one probe's measurements; if it fails it goes blind, alone."""
        who = type(probe).__name__
        if who in self._blind:
            return
        try:
            with torch.no_grad():
                measured = list(probe.read(*seen))
            for m in measured:
                _check(m)
            self._rows += measured
        except Exception as error:
            self.go_blind(who, error)

    def add_loss(self, loss: Tensor) -> float:
        """Add a batch's loss to the step's, or, in a closure, let it be the step's.

        Returns:
            The loss; 0 where reading it would keep a device waiting.
        """
        self.saw_loss = True
        alone = self._loss is None or self.now.in_step
        if loss.device.type != "cpu":
            kept = loss.clone().reshape(())
            self._loss = kept if alone or self._loss is None else self._loss + kept
            return 0.0
        value = float(loss)
        self._loss = value if alone or self._loss is None else self._loss + value
        return value

    # --- writing

    def end_step(self) -> None:
        """Write what was collected; losses on a device may wait for company."""
        step, deep = self.now.step, self.now.deep
        rows, self._rows = self._rows, []
        loss, self._loss = self._loss, None
        if isinstance(loss, Tensor):
            self._pending.append((step, loss))
            if deep or len(self._pending) >= _MOST_PENDING:
                self._copy_losses()
        elif loss is not None:
            self._trace.extend(step, [(LOSS.name, "", loss)])
        if rows:
            self._trace.extend(step, _to_host(rows))
        if deep or time.perf_counter() - self._flushed > _FLUSH_S:
            self._flushed = time.perf_counter()
            self._trace.flush()

    def flush(self) -> None:
        """Write all that waits."""
        self._copy_losses()
        self._trace.flush()

    def note(self, topic: str, site: str, text: str) -> None:
        """Write a fact that is no number."""
        self._trace.note(Note(self.now.step, topic, site, text))

    # --- going blind

    def guard(self, who: str, act: Callable[..., Any], *args: Any) -> None:
        """Whatever happens in here, the user's training goes on."""
        try:
            act(*args)
        except Exception as error:
            self.go_blind(who, error)

    def is_blind(self, who: str) -> bool:
        """Whether this part has stopped seeing."""
        return who in self._blind

    def go_blind(self, who: str, error: Exception) -> None:
        """Note that a part has failed, and why."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        self.note_blind(who, f"went blind ({reason[:300]})")
        if isinstance(error, OSError):  # the disk is full or gone: go on in memory
            self._lose_the_disk()

    def note_blind(self, who: str, reason: str) -> None:
        """Note once that a part does not see, and why."""
        if who in self._blind:
            return
        self._blind.add(who)
        try:
            self.note("blind", who, reason)
        except OSError:
            self._lose_the_disk()

    def _lose_the_disk(self) -> None:
        try:
            self._trace.close()
        except OSError:  # closing flushes, which fails for the same reason
            self._trace.abandon()

    def _copy_losses(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        values = torch.stack([value.double() for _, value in pending]).cpu().tolist()
        for (step, _), value in zip(pending, values, strict=True):
            self._trace.extend(step, [(LOSS.name, "", value)])


def _check(m: Measurement) -> None:
    axes = 1 if m.quantity.per in ("unit", "output", "feature") else 0
    if m.value.ndim != axes:
        raise ValueError(
            f"{m.quantity.name} at {m.site!r} has shape {tuple(m.value.shape)}, but a "
            f"reading per {m.quantity.per} has {axes} axes: reduce it in the probe."
        )


def _to_host(rows: Sequence[Measurement]) -> list[tuple[str, str, Value]]:
    """One copy for each device, whatever the number of readings."""
    by_device: dict[torch.device, list[int]] = {}
    for i, row in enumerate(rows):
        by_device.setdefault(row.value.device, []).append(i)
    host: dict[int, NDArray[np.generic]] = {}
    for device, wanted in by_device.items():
        wide = torch.float32 if device.type == "mps" else torch.float64
        flat = torch.cat([rows[i].value.detach().reshape(-1).to(wide) for i in wanted])
        values, at = flat.cpu().numpy(), 0
        for i in wanted:
            size = rows[i].value.numel()
            host[i] = values[at : at + size]
            at += size
    out: list[tuple[str, str, Value]] = []
    for i, row in enumerate(rows):
        value = host[i]
        if row.value.ndim == 0:
            out.append((row.quantity.name, row.site, float(value[0])))
        else:
            narrow = np.float32 if row.quantity.per == "unit" else np.float64
            with np.errstate(over="ignore"):  # to inf, which is a value here
                out.append((row.quantity.name, row.site, value.astype(narrow)))
    return out
