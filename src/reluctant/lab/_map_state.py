"""What a map has done so far, in a folder that survives being killed at any byte.

Each session appends to a file of its own: first a frame that says for which recipe and
engine, then one frame a training or prediction, handed to the operating system at once.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from reluctant.lab._cells import Attempt, Cell, Setting
from reluctant.lab._step_size_limit import StepSizeLimit
from reluctant.records import TraceError, UsageError
from reluctant.records._frames import FrameFile, FrameWriter

VERSION = 1
_SUFFIX = ".cells"


class _Predicted(msgspec.Struct, frozen=True):
    setting: Setting
    limit: StepSizeLimit


class _Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of: what it is for, a training, a prediction."""

    identity: dict[str, str] | None = None
    attempt: Attempt | None = None
    predicted: _Predicted | None = None


class MapState:
    """Trainings that are done, in memory and, with a folder, on disk.

    Args:
        folder: Made if it is not there; None keeps nothing.
        identity: What trainings depend on besides their cell: name to value. A folder
            with others is refused.

    Raises:
        UsageError: If the folder holds a map of something else, or another process is
            at work in it.
        OSError: If the folder cannot be made or read.
    """

    def __init__(self, folder: Path | None, identity: dict[str, str]) -> None:
        self.attempts: dict[Cell, Attempt] = {}
        self.predictions: dict[Setting, StepSizeLimit] = {}
        self._writer: FrameWriter | None = None
        self._lock: Any = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        try:
            files = sorted(folder.glob(f"*{_SUFFIX}"))
            for file in files:
                self._read(file, identity)
            self._file = folder / f"{len(files):04d}{_SUFFIX}"
        except BaseException:
            self.close()
            raise
        self._identity = identity

    def add(self, attempt: Attempt) -> None:
        """Keep a training."""
        self.attempts[attempt.cell] = attempt
        self._append(_Frame(attempt=attempt))

    def add_prediction(self, setting: Setting, limit: StepSizeLimit) -> None:
        """Keep a prediction."""
        self.predictions[setting] = limit
        self._append(_Frame(predicted=_Predicted(setting, limit)))

    def close(self) -> None:
        """Let others work in the folder."""
        if self._writer is not None:
            self._writer.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _append(self, frame: _Frame) -> None:
        if self._lock is None:
            return
        if self._writer is None:
            self._writer = FrameWriter(self._file)
            first = _Frame(identity=self._identity)
            self._writer.append(msgspec.msgpack.encode(first))
        self._writer.append(msgspec.msgpack.encode(frame))
        self._writer.flush()

    def _read(self, file: Path, identity: dict[str, str]) -> None:
        try:
            frames = list(_frames(file))
        except (TraceError, msgspec.DecodeError) as error:
            raise UsageError(
                f"{file} is no part of a map ({error}): give another folder."
            ) from None
        for frame in frames:
            if frame.identity is not None:
                _must_match(file.parent, frame.identity, identity)
            if frame.attempt is not None:
                self.attempts[frame.attempt.cell] = frame.attempt
            if frame.predicted is not None:
                self.predictions[frame.predicted.setting] = frame.predicted.limit


def _frames(file: Path) -> Iterator[_Frame]:
    frames = FrameFile(file)
    for index in range(len(frames)):
        payload = frames.payload(index)
        if payload is not None:
            yield msgspec.msgpack.decode(payload, type=_Frame)


def _must_match(folder: Path, there: dict[str, str], here: dict[str, str]) -> None:
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            raise UsageError(
                f"{folder} holds a map with {name} {there.get(name)}, and this one has "
                f"{name} {here.get(name)}: give another folder, or delete that one to "
                "begin anew."
            )


def _locked(folder: Path) -> Any:
    """A file that only one process has; freed also when that is killed."""
    file = (folder / "lock").open("a")
    with contextlib.suppress(ImportError):  # Windows has no such lock
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise UsageError(
                f"another process (not {os.getpid()}) is making a map in {folder}: "
                "wait for it, or give another folder."
            ) from None
    return file
