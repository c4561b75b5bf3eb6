"""The file under a recorded run: frames that are only ever appended.

A file is a header (16 bytes of name, 4 of version), then frames. A frame is

    2 bytes  marker
    4 bytes  length of the payload, little-endian
    4 bytes  CRC-32 of the payload
    4 bytes  CRC-32 of the ten bytes before
    n bytes  payload, MessagePack

so that a process killed at any byte leaves a file that opens: what is torn is at most
the last frame. The second checksum lets an index be built from the frame headers alone,
and lets reading go on behind a damaged one: the marker is looked for again, and a frame
found that way must have both checksums right before it is believed.
"""

import mmap
import os
import struct
import weakref
import zlib
from array import array
from io import BufferedWriter
from pathlib import Path

from reluctant.records._errors import TraceError

NAME = b"reluctant trace\n"
VERSION = 1
HEADER = NAME + struct.pack("<I", VERSION)
MARKER = b"\xf5\x52"
_HEAD = struct.Struct("<2sIII")
_FRONT = struct.Struct("<2sII")
_BUFFER = 8192  # bytes that wait at most: what SIGKILL can take


def pack(payload: bytes) -> bytes:
    """One frame around a payload."""
    front = _FRONT.pack(MARKER, len(payload), zlib.crc32(payload))
    return front + struct.pack("<I", zlib.crc32(front)) + payload


class FrameWriter:
    """Appends frames to a new file.

    Frames wait in a buffer of our own, not of the file: a forked process inherits
    both, and would write what waits a second time when it ends.

    Args:
        path: The file; its folder must exist.

    Raises:
        OSError: If the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)  # who reads an older run here keeps it whole
        self._file: BufferedWriter = path.open("wb")
        self._waiting = bytearray(HEADER)
        self._process = os.getpid()
        self.close = weakref.finalize(  # closing twice is closing once
            self, _close, self._file, self._waiting, self._process
        )
        self.flush()

    def append(self, payload: bytes) -> None:
        """Write one frame into the buffer."""
        if os.getpid() == self._process:
            self._waiting += pack(payload)
            if len(self._waiting) >= _BUFFER:
                self.flush()

    def flush(self) -> None:
        """Hand the buffer to the operating system: what was appended outlives us."""
        _flush(self._file, self._waiting, self._process)


def _flush(file: BufferedWriter, waiting: bytearray, process: int) -> None:
    if os.getpid() == process:
        file.write(waiting)
        waiting.clear()
        file.flush()


def _close(file: BufferedWriter, waiting: bytearray, process: int) -> None:
    _flush(file, waiting, process)
    file.close()


class FrameFile:
    """The frames of a file, found without reading their payloads.

    Args:
        path: A file that `FrameWriter` wrote, or as much of it as there is.

    Raises:
        TraceError: If it is a folder, or a file of another kind or version.
        OSError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise TraceError(
                f"{path} is a folder, but a trace is one file: give the .trace file "
                f"inside it."
            )
        self.path = path
        self.damage: list[str] = []
        self._starts = array("Q")
        with path.open("rb") as file:
            size = file.seek(0, 2)
            self._data: mmap.mmap | bytes = (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            )
        self._check_header()
        self._scan()

    def __len__(self) -> int:
        return len(self._starts)

    def payload(self, index: int) -> bytes | None:
        """The payload of one frame, or None (and a line of damage) if it is damaged."""
        start = self._starts[index]
        _, length, check, _ = _HEAD.unpack_from(self._data, start)
        body = self._data[start + _HEAD.size : start + _HEAD.size + length]
        if zlib.crc32(body) != check:
            self.damage.append(
                f"frame {index} at byte {start} does not match its checksum: left out"
            )
            return None
        return bytes(body)

    def _check_header(self) -> None:
        head = bytes(self._data[: len(HEADER)])
        if head == HEADER:
            return
        if HEADER.startswith(head):  # killed while the first bytes were written
            self.damage.append(f"only {len(head)} of {len(HEADER)} header bytes")
            return
        if head.startswith(NAME) and len(head) == len(HEADER):
            (version,) = struct.unpack_from("<I", head, len(NAME))
            raise TraceError(
                f"{self.path} has trace version {version}, but this reluctant reads "
                f"version {VERSION}: record the run again, or install the release that "
                f"wrote it."
            )
        raise TraceError(
            f"{self.path} is not a recorded run: it starts with {head[:16]!r}, where a "
            f"trace starts with {NAME!r}. Give a folder or file that `reluctant run` "
            f"or `reluctant.watch(..., record=…)` wrote."
        )

    def _scan(self) -> None:
        data, size = self._data, len(self._data)
        at, unpack, head, crc = len(HEADER), _HEAD.unpack_from, _HEAD.size, zlib.crc32
        while at < size:
            if at + head <= size:
                marker, length, _, check = unpack(data, at)
                behind = at + head + length
                if (
                    marker == MARKER
                    and behind <= size
                    and crc(data[at : at + 10]) == check
                ):
                    self._starts.append(at)
                    at = behind
                    continue
            behind = self._next_frame(at + 1)
            if behind < 0:
                break
            self.damage.append(
                f"{behind - at} bytes at byte {at} are no frame: left out"
            )
            at = behind
        if at < size:
            self.damage.append(f"the last frame is torn ({size - at} bytes): left out")

    def _next_frame(self, at: int) -> int:
        """Where the next whole, undamaged frame starts, or -1."""
        data, size = self._data, len(self._data)
        while (at := data.find(MARKER, at)) >= 0:
            if at + _HEAD.size <= size:
                _, length, check, own = _HEAD.unpack_from(data, at)
                body = at + _HEAD.size
                if (
                    body + length <= size
                    and zlib.crc32(data[at : at + 10]) == own
                    and zlib.crc32(data[body : body + length]) == check
                ):
                    return at
            at += 1
        return -1
