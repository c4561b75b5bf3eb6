"""A recording that was killed at any byte opens, and lost at most its last frame."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.logs import SAMPLE, Log, facts, live, logs, write
from reluctant.records import Trace


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cut") / "run.trace"


def check_cut(log: Log, path: Path, ends: list[int], cut: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    trace = Trace.open(path)

    whole = sum(end <= cut for end in ends[1:])
    assert trace.frames == whole
    assert facts(trace) == facts(live(log[:whole]))
    assert bool(trace.damage) == (cut not in ends)


def test_cut_at_every_byte(path: Path) -> None:
    ends = write(SAMPLE, path)
    for cut in reversed(range(ends[-1] + 1)):
        check_cut(SAMPLE, path, ends, cut)


@given(log=logs(), at=st.floats(0, 1))
def test_any_log_cut_anywhere(path: Path, log: Log, at: float) -> None:
    ends = write(log, path)
    check_cut(log, path, ends, int(at * ends[-1]))


def test_a_torn_frame_is_said(path: Path) -> None:
    ends = write(SAMPLE, path)
    path.write_bytes(path.read_bytes()[: ends[-1] - 5])
    (line,) = Trace.open(path).damage
    assert line == f"the last frame is torn ({ends[-1] - ends[-2] - 5} bytes): left out"


@pytest.mark.parametrize("size", range(20))
def test_cut_inside_the_header_opens_empty(path: Path, size: int) -> None:
    write(SAMPLE, path)
    path.write_bytes(path.read_bytes()[:size])
    trace = Trace.open(path)
    assert facts(trace) == facts(Trace())
    assert trace.damage == (f"only {size} of 20 header bytes",)
