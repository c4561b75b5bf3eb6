"""Frames alone: any payload comes back, and damage takes only what it touched."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records._frames import HEADER, MARKER, FrameFile, FrameWriter, pack

payloads = st.lists(
    st.binary(max_size=30)
    | st.binary(max_size=9).map(lambda tail: MARKER + tail)
    | st.just(HEADER),
    max_size=8,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames") / "run.trace"


def write(frames: list[bytes], path: Path) -> list[int]:
    """Write the file; where its header and each frame end."""
    writer = FrameWriter(path)
    ends = [len(HEADER)]
    for payload in frames:
        writer.append(payload)
        ends.append(ends[-1] + len(pack(payload)))
    writer.close()
    assert path.stat().st_size == ends[-1]
    return ends


def read(path: Path) -> list[bytes]:
    file = FrameFile(path)
    found = [file.payload(index) for index in range(len(file))]
    return [payload for payload in found if payload is not None]


def said(path: Path) -> list[str]:
    """What is reported, once every frame was read."""
    file = FrameFile(path)
    for index in range(len(file)):
        file.payload(index)
    return file.damage


def is_subsequence(few: list[bytes], many: list[bytes]) -> bool:
    rest = iter(many)
    return all(payload in rest for payload in few)


@given(frames=payloads)
def test_round_trip(path: Path, frames: list[bytes]) -> None:
    write(frames, path)
    assert read(path) == frames
    assert FrameFile(path).damage == []


@given(frames=payloads, data=st.data())
def test_overwritten_bytes(
    path: Path, frames: list[bytes], data: st.DataObject
) -> None:
    ends = write(frames, path)
    start = data.draw(st.integers(ends[0], ends[-1]))
    noise = data.draw(st.binary(max_size=40))[: ends[-1] - start]
    stop = start + len(noise)
    whole = path.read_bytes()
    path.write_bytes(whole[:start] + noise + whole[stop:])

    check_touched(frames, ends, start, stop, path)
    assert bool(said(path)) == (path.read_bytes() != whole)


@given(frames=payloads, data=st.data())
def test_missing_piece(path: Path, frames: list[bytes], data: st.DataObject) -> None:
    ends = write(frames, path)
    start = data.draw(st.integers(ends[0], ends[-1]))
    stop = data.draw(st.integers(start, ends[-1]))
    whole = path.read_bytes()
    path.write_bytes(whole[:start] + whole[stop:])

    before = sum(end <= start for end in ends[1:])
    found = read(path)
    assert found[:before] == frames[:before]
    assert is_subsequence(found, frames)


def test_a_hole_does_not_hide_what_is_behind_it(path: Path) -> None:
    ends = write([b"first", bytes(1000), b"third", b"fourth"], path)
    whole = path.read_bytes()
    for at in (ends[1], ends[1] + 20):
        path.write_bytes(whole[:at] + whole[at + 990 :])
        assert read(path) == [b"first", b"third", b"fourth"]
        assert said(path)


@given(frames=payloads, data=st.data(), noise=st.binary(min_size=1, max_size=40))
def test_bytes_put_between(
    path: Path, frames: list[bytes], data: st.DataObject, noise: bytes
) -> None:
    ends = write(frames, path)
    at = data.draw(st.integers(ends[0], ends[-1]))
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + noise + whole[at:])
    check_touched(frames, ends, at, at, path)
    assert FrameFile(path).damage or read(path) != frames


def check_touched(
    frames: list[bytes], ends: list[int], start: int, stop: int, path: Path
) -> None:
    """Frames outside of [start, stop) are there, in order; none is invented."""
    spans = zip(frames, ends, ends[1:], strict=False)
    safe = [payload for payload, first, last in spans if last <= start or stop <= first]
    found = read(path)
    assert is_subsequence(safe, found)
    assert set(found) <= set(frames)


def test_closing_twice_is_closing_once(path: Path) -> None:
    writer = FrameWriter(path)
    writer.append(b"one")
    writer.close()
    writer.close()
    assert read(path) == [b"one"]


def test_a_flushed_frame_is_on_disk(path: Path) -> None:
    writer = FrameWriter(path)
    writer.append(b"one")
    writer.flush()
    assert read(path) == [b"one"]
    writer.close()


def test_little_is_lost_without_a_flush(path: Path) -> None:
    writer = FrameWriter(path)
    for _ in range(100):
        writer.append(bytes(1000))
    assert len(read(path)) > 90
    writer.close()
