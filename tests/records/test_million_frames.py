"""A run of a million steps opens in seconds, without being read whole."""

import time
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from records.logs import LOSS
from reluctant.records import Trace
from reluctant.records._frames import FrameFile, FrameWriter

FRAMES = 1_000_000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "run.trace"
    writer = FrameWriter(path)
    encode = msgspec.msgpack.Encoder().encode
    for step in range(FRAMES):
        writer.append(encode((1, step, [("loss", "", 1.0 / (step + 1))])))
    writer.close()
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames whose payload was read, as they are read."""
    seen: list[int] = []
    payload = FrameFile.payload

    def counted(self: FrameFile, index: int) -> bytes | None:
        seen.append(index)
        return payload(self, index)

    monkeypatch.setattr(FrameFile, "payload", counted)
    return seen


def test_opening_reads_no_payload(path: Path, read: list[int]) -> None:
    start = time.perf_counter()
    trace = Trace.open(path)
    elapsed = time.perf_counter() - start
    assert trace.frames == FRAMES
    assert read == []
    assert elapsed < 15, f"{elapsed:.1f} s"  # about 1 s on a quiet core


def test_opening_keeps_one_number_a_frame(path: Path) -> None:
    tracemalloc.start()
    try:
        trace = Trace.open(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert trace.frames == FRAMES
    assert peak < 24 * FRAMES < path.stat().st_size


def test_the_first_question_reads_each_frame_once(path: Path, read: list[int]) -> None:
    trace = Trace.open(path)
    steps, values = trace.series(LOSS)
    assert trace.last_step == steps[-1] == FRAMES - 1
    assert values[-1] == 1.0 / FRAMES
    assert len(read) == len(set(read)) == FRAMES
