"""From tensors on a device to frames on disk: one copy a sampled step."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from reluctant.probes import Measurement
from reluctant.records import Note, Trace, Value
from reluctant.records.quantities import LOSS

_FLUSH_S = 0.2  # at most this much of a record is lost to a killed process
_MOST_PENDING = 64  # losses of a device that wait for one copy together


class Recorder:
    """Collects what one step measured, and writes it when the step has ended.

    Args:
        trace: Grows by one frame a recorded step.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._rows: list[Measurement] = []
        self._loss: Tensor | float | None = None
        self._pending: list[tuple[int, Tensor]] = []
        self._blind: set[str] = set()
        self._flushed = time.perf_counter()
        self.saw_loss = False

    def add(self, measured: Sequence[Measurement], *, check: bool = False) -> None:
        """Keep measurements until the step ends.

        Raises:
            ValueError: If one has a shape that its quantity cannot have.
        """
        if check:
            for m in measured:
                axes = 1 if m.quantity.per in ("unit", "output") else 0
                if m.value.ndim != axes:
                    raise ValueError(
                        f"{m.quantity.name} at {m.site!r} has shape "
                        f"{tuple(m.value.shape)}, but a reading per {m.quantity.per} "
                        f"has {axes} axes: reduce it in the probe."
                    )
        self._rows += measured

    def add_loss(self, loss: Tensor, *, replace: bool) -> float:
        """Add a batch's loss to the step's, or let it stand for the step's.

        Returns:
            The loss; 0 where reading it would keep a device waiting.
        """
        self.saw_loss = True
        if loss.device.type != "cpu":
            kept = loss.clone().reshape(())
            self._loss = kept if replace or self._loss is None else self._loss + kept
            return 0.0
        value = float(loss)
        self._loss = value if replace or self._loss is None else self._loss + value
        return value

    def end_step(self, step: int, *, now: bool) -> None:
        """Write what was collected for `step`.

        Args:
            step: The step that ended.
            now: Copy at once; else losses on a device may wait for company.
        """
        rows, self._rows = self._rows, []
        loss, self._loss = self._loss, None
        if isinstance(loss, Tensor):
            self._pending.append((step, loss))
            if now or len(self._pending) >= _MOST_PENDING:
                self._copy_losses()
        elif loss is not None:
            self._trace.extend(step, [(LOSS.name, "", loss)])
        if rows:
            self._trace.extend(step, _to_host(rows))
        if now or time.perf_counter() - self._flushed > _FLUSH_S:
            self._flushed = time.perf_counter()
            self._trace.flush()

    def flush(self) -> None:
        """Write all that waits."""
        self._copy_losses()
        self._trace.flush()

    def note(self, step: int, topic: str, site: str, text: str) -> None:
        """Write a fact that is no number."""
        self._trace.note(Note(step, topic, site, text))

    def is_blind(self, who: str) -> bool:
        """Whether this part has stopped seeing."""
        return who in self._blind

    def go_blind(self, step: int, who: str, reason: str) -> None:
        """Note once that a part has stopped seeing, and why."""
        self._blind.add(who)
        try:
            self.note(step, "blind", who, reason)
        except OSError:
            self.lose_the_disk()

    def lose_the_disk(self) -> None:
        """Go on in memory alone."""
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


def _to_host(rows: Sequence[Measurement]) -> list[tuple[str, str, Value]]:
    """One copy for each device, whatever the number of readings."""
    by_device: dict[torch.device, list[int]] = {}
    for i, row in enumerate(rows):
        by_device.setdefault(row.value.device, []).append(i)
    host: dict[int, np.ndarray] = {}
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
            out.append((row.quantity.name, row.site, value.astype(narrow)))
    return out
