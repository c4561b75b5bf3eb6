"""What is damaged is reported, never believed, and takes nothing else with it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.logs import SAMPLE, Log, facts, live, logs, write
from reluctant.records import Trace, TraceError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage") / "run.trace"


def check_flip(log: Log, path: Path, ends: list[int], at: int, mask: int) -> None:
    """Spoil one byte of a whole file: exactly the entry that held it is missing."""
    spoiled = bytearray(path.read_bytes())
    spoiled[at] ^= mask
    other = path.with_suffix(".spoiled")
    other.write_bytes(spoiled)

    if at < ends[0]:
        with pytest.raises(TraceError):
            Trace.open(other)
        return
    trace = Trace.open(other)
    hit = sum(end <= at for end in ends) - 1
    assert len(trace.damage) == 1
    assert facts(trace) == facts(live([*log[:hit], *log[hit + 1 :]]))


def test_each_byte_flipped(path: Path) -> None:
    ends = write(SAMPLE, path)
    for at in range(ends[-1]):
        check_flip(SAMPLE, path, ends, at, 1 << at % 8)
        check_flip(SAMPLE, path, ends, at, 0xFF)


@given(log=logs(), at=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_any_byte_of_any_log_flipped(
    path: Path, log: Log, at: float, mask: int
) -> None:
    ends = write(log, path)
    check_flip(log, path, ends, int(at * ends[-1]), mask)


def test_the_spoiled_frame_is_named(path: Path) -> None:
    ends = write(SAMPLE, path)
    spoiled = bytearray(path.read_bytes())
    spoiled[ends[3] + 20] ^= 1
    path.write_bytes(spoiled)
    (line,) = Trace.open(path).damage
    assert f"frame 3 at byte {ends[3]} does not match its checksum" in line


def test_foreign_file(path: Path) -> None:
    path.write_text("epoch,loss\n0,2.3\n1,2.2\n")
    with pytest.raises(TraceError, match="not a recorded run") as caught:
        Trace.open(path)
    assert str(path) in str(caught.value)
    assert "reluctant run" in str(caught.value)


def test_short_foreign_file(path: Path) -> None:
    path.write_bytes(b"no")
    with pytest.raises(TraceError, match="not a recorded run"):
        Trace.open(path)


def test_empty_file_says_so(path: Path) -> None:
    path.write_bytes(b"")
    trace = Trace.open(path)
    assert list(trace) == []
    assert trace.damage == ("only 0 of 20 header bytes",)


def test_other_version(path: Path) -> None:
    write(SAMPLE, path)
    later = bytearray(path.read_bytes())
    later[16] = 7
    path.write_bytes(later)
    with pytest.raises(TraceError, match="trace version 7") as caught:
        Trace.open(path)
    assert "reads version 1" in str(caught.value)
    assert "record the run again" in str(caught.value)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="is a folder") as caught:
        Trace.open(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.trace"):
        Trace.open(tmp_path / "nothing.trace")
