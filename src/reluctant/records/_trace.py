"""A recorded run: an append-only list of readings, the same live and on disk."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from reluctant.records._frames import FrameFile, FrameWriter
from reluctant.records._reading import Note, Quantity, Reading, Value
from reluctant.records._setup import Setup

_SETUP, _READINGS, _NOTE = 0, 1, 2  # kinds of frame
_ARRAY = 1  # MessagePack extension: two bytes of dtype, then the entries
_DTYPES = {b"f4": "<f4", b"f8": "<f8", b"u1": "|u1", b"i8": "<i8"}


class Series(NamedTuple):
    """The values of one quantity at one site, in step order.

    Attributes:
        steps: Shape `(n,)`, increasing.
        values: Shape `(n,)`, float64; nan and inf are values here, not gaps.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


class UnitSeries(NamedTuple):
    """The values of one quantity at each unit of one site, in step order.

    Attributes:
        steps: Shape `(n,)`, increasing.
        values: Shape `(n, units)`, float64.
    """

    steps: NDArray[np.int64]
    values: NDArray[np.float64]


class _Column:
    """One (quantity, site): steps, and numbers or arrays; never both."""

    __slots__ = ("steps", "values")

    def __init__(self) -> None:
        self.steps = array("q")
        self.values: array[float] | list[NDArray[np.generic]] = array("d")

    def append(self, step: int, value: Value) -> None:
        if isinstance(value, np.ndarray) and isinstance(self.values, array):
            if self.values:
                return  # a site cannot turn from a number into an array
            self.values = []
        if isinstance(value, np.ndarray) != isinstance(self.values, list):
            return
        self.steps.append(step)
        self.values.append(value)  # type: ignore[arg-type]


class Trace:
    """Everything that was observed of one training, and nothing that was concluded.

    Grows by `extend`, `note` and `describe` alone. With a `sink`, whatever is appended
    is written there too, so that the live trace and the file are the same.

    Args:
        readings: To start with, in step order.
        setup: What is being trained.
        sink: A new file to write to.
    """

    def __init__(
        self,
        readings: Iterable[Reading] = (),
        *,
        setup: Setup | None = None,
        sink: Path | None = None,
    ) -> None:
        self._columns: dict[tuple[str, str], _Column] = {}
        self._setups: list[tuple[int, Setup]] = []
        self._notes: list[Note] = []
        self._steps = array("q")  # that have readings, increasing
        self._limit: int | None = None
        self._file: FrameFile | None = None
        self._damage: list[str] = []
        self._frames = 0
        self._writer = FrameWriter(sink) if sink else None
        if setup is not None:
            self.describe(0, setup)
        for reading in readings:
            self.extend(reading.step, [(reading.quantity, reading.site, reading.value)])

    # --- growing

    def extend(self, step: int, rows: Sequence[tuple[str, str, Value]]) -> None:
        """Append what was read at one step, as one frame.

        Args:
            step: Not lower than any step before it.
            rows: (quantity name, site, value). An array must have one axis.
        """
        self._load()
        self._take(step, [(q, s, _own(v)) for q, s, v in rows])
        if self._writer:
            body = [(q, s, _plain(v)) for q, s, v in rows]
            self._writer.append(_encoder.encode((_READINGS, step, body)))

    def note(self, note: Note) -> None:
        """Append a fact that is no number."""
        self._load()
        self._notes.append(note)
        if self._writer:
            fields = (_NOTE, note.step, note.topic, note.site, note.text)
            self._writer.append(_encoder.encode(fields))

    def describe(self, step: int, setup: Setup) -> None:
        """Append what is known of the training from this step on."""
        self._load()
        self._setups.append((step, setup))
        if self._writer:
            self._writer.append(_encoder.encode((_SETUP, step, setup)))

    def flush(self) -> None:
        """Hand all that was appended to the operating system."""
        if self._writer:
            self._writer.flush()

    def close(self) -> None:
        """Flush, and write no more."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def abandon(self) -> None:
        """Write no more, though the file cannot even be flushed; memory goes on."""
        self._writer = None

    # --- reading

    @property
    def setup(self) -> Setup:
        """What is being trained, as known at the last step; empty if never said."""
        self._load()
        known = [
            s for at, s in self._setups if self._limit is None or at <= self._limit
        ]
        return known[-1] if known else Setup()

    @property
    def damage(self) -> tuple[str, ...]:
        """What was wrong with the file, a line each; empty for a live trace."""
        self._load()
        return tuple(self._damage)

    @property
    def last_step(self) -> int:
        """The last step with a reading; -1 if there is none."""
        self._load()
        steps, limit = self._steps, self._limit
        count = len(steps) if limit is None else bisect_right(steps, limit)
        return steps[count - 1] if count else -1

    def notes(self, topic: str = "") -> tuple[Note, ...]:
        """Facts of one topic, or all, in the order in which they were noted."""
        self._load()
        return tuple(
            n
            for n in self._notes
            if topic in ("", n.topic) and (self._limit is None or n.step <= self._limit)
        )

    def until(self, step: int) -> "Trace":
        """The trace as it stood right after `step`: a view, which costs nothing."""
        self._load()
        view = Trace()
        view._columns, view._setups = self._columns, self._setups
        view._notes, view._damage, view._steps = self._notes, self._damage, self._steps
        view._limit = step if self._limit is None else min(step, self._limit)
        return view

    def has(self, quantity: Quantity) -> bool:
        """Whether the quantity was measured at all."""
        return bool(self.sites(quantity))

    def sites(self, quantity: Quantity) -> list[str]:
        """Sites where the quantity was measured, in first-seen order."""
        self._load()
        return [
            site
            for (name, site), column in self._columns.items()
            if name == quantity.name
            and (
                self._limit is None or (column.steps and column.steps[0] <= self._limit)
            )
        ]

    def series(self, quantity: Quantity, site: str = "") -> Series:
        """All numbers of a quantity at one site; empty if never measured there.

        Raises:
            TypeError: If the quantity is recorded per unit; `units` reads those.
        """
        column = self._column(quantity, site)
        if isinstance(column.values, list):
            raise TypeError(
                f"{quantity.name} at {site!r} is one array a step: units() reads it."
            )
        # copied at once: a live column must stay free to grow
        steps = np.array(column.steps, np.int64)
        values = np.array(column.values, np.float64)
        end = self._end(steps)
        return Series(steps[:end], values[:end])

    def units(self, quantity: Quantity, site: str) -> UnitSeries:
        """All arrays of a quantity at one site; shape `(0, 0)` if never measured there.

        Arrays of another length than the last one are left out: the site was rebuilt.
        """
        column = self._column(quantity, site)
        if not column.values or not isinstance(column.values, list):
            return UnitSeries(_NO_STEPS.copy(), np.zeros((0, 0)))
        steps = np.array(column.steps, np.int64)
        end = self._end(steps)
        rows = column.values[:end]
        if not rows:
            return UnitSeries(_NO_STEPS.copy(), np.zeros((0, 0)))
        keep = [i for i, row in enumerate(rows) if row.shape == rows[-1].shape]
        values = np.array([rows[i] for i in keep], np.float64)
        return UnitSeries(steps[keep], values.reshape(len(keep), -1))

    def __iter__(self) -> Iterator[Reading]:
        """Every reading: by step, then in the order in which sites were first seen."""
        self._load()
        rows = [
            (step, order, name, site, cast(Value, value))
            for order, ((name, site), column) in enumerate(self._columns.items())
            for step, value in zip(column.steps, column.values, strict=True)
            if self._limit is None or step <= self._limit
        ]
        for step, _, name, site, value in sorted(rows, key=lambda row: row[:2]):
            yield Reading(step, name, site, value)

    # --- the disk

    @classmethod
    def open(cls, path: Path | str) -> "Trace":
        """Open a recorded run. Frames are found now, and read when first asked for.

        Args:
            path: A `.trace` file. What a killed process left of one is enough.

        Raises:
            TraceError: If the file is no trace, or another version wrote it.
            OSError: If it cannot be read.
        """
        trace = cls()
        trace._file = FrameFile(Path(path))
        trace._frames = len(trace._file)
        return trace

    @property
    def frames(self) -> int:
        """How many whole frames the file held when it was opened; 0 if live."""
        return self._frames

    def _load(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        for index in range(len(file)):
            payload = file.payload(index)
            if payload is None:
                continue
            try:
                self._replay(_decoder.decode(payload))
            except (msgspec.DecodeError, TypeError, ValueError, IndexError) as error:
                file.damage.append(f"frame {index} is not readable ({error}): left out")
        self._damage = file.damage

    def _replay(self, frame: Any) -> None:
        kind, step = frame[0], frame[1]
        if kind == _READINGS:
            self._take(step, frame[2])
        elif kind == _NOTE:
            self._notes.append(Note(step, *frame[2:5]))
        elif kind == _SETUP:
            self._setups.append((step, msgspec.convert(frame[2], Setup)))

    # --- columns

    def _take(self, step: int, rows: Sequence[Sequence[Any]]) -> None:
        if rows and (not self._steps or step > self._steps[-1]):
            self._steps.append(step)
        columns = self._columns
        for name, site, value in rows:
            column = columns.get((name, site))
            if column is None:
                column = columns[name, site] = _Column()
            column.append(step, value)

    def _column(self, quantity: Quantity, site: str) -> _Column:
        self._load()
        return self._columns.get((quantity.name, site)) or _Column()

    def _end(self, steps: NDArray[np.int64]) -> int:
        if self._limit is None:
            return len(steps)
        return int(np.searchsorted(steps, self._limit, side="right"))


def _own(value: Value) -> Value:
    """A copy of an array: its owner may write into it, or it pins a larger one."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _plain(value: Value) -> float | msgspec.msgpack.Ext:
    """What MessagePack can hold: a double, or an extension with the array's bytes."""
    if not isinstance(value, np.ndarray):
        return float(value)
    name = value.dtype.str[-2:].encode()
    if name not in _DTYPES:
        value, name = value.astype(np.float64), b"f8"
    data = np.ascontiguousarray(value, _DTYPES[name])
    return msgspec.msgpack.Ext(_ARRAY, name + data.tobytes())


def _array(code: int, data: memoryview) -> NDArray[np.generic]:
    if code != _ARRAY or bytes(data[:2]) not in _DTYPES:
        raise ValueError(f"extension {code} is unknown")
    return np.frombuffer(bytes(data[2:]), _DTYPES[bytes(data[:2])])


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ext_hook=_array)
_NO_STEPS = np.zeros(0, np.int64)
_NO_VALUES = np.zeros(0, np.float64)
