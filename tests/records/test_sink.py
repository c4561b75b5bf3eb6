"""The live trace and its file are the same, whatever the training does."""

import os
from pathlib import Path

import numpy as np
import pytest

from records.logs import FIRING, GRAD_RMS, LOSS, SAMPLE, facts, live, put, write
from reluctant.records import Note, Reading, Setup, Trace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.trace"


def test_live_is_what_is_reopened(path: Path) -> None:
    trace = live(SAMPLE, sink=path)
    trace.close()
    assert facts(trace) == facts(Trace.open(path))


def test_readings_given_at_the_start_are_written_too(path: Path) -> None:
    readings = [Reading(0, "loss", "", 2.0), Reading(1, "loss", "", 1.0)]
    trace = Trace(readings, setup=Setup(name="Net"), sink=path)
    trace.close()
    assert facts(trace) == facts(Trace.open(path))
    assert trace.series(LOSS).values.tolist() == [2.0, 1.0]


def test_an_open_recording_can_be_read(path: Path) -> None:
    trace = live(SAMPLE, sink=path)
    trace.flush()
    assert facts(Trace.open(path)) == facts(trace)
    put(trace, (5, [("loss", "", 0.5)]))
    trace.close()
    assert facts(Trace.open(path)) == facts(trace)


def test_what_is_appended_after_close_is_not_written(path: Path) -> None:
    trace = live(SAMPLE, sink=path)
    trace.close()
    before = path.read_bytes()
    trace.extend(9, [("loss", "", 0.1)])
    trace.note(Note(9, "end", "", "closed before"))
    trace.describe(9, Setup(name="Other"))
    trace.flush()
    trace.close()
    assert path.read_bytes() == before
    assert trace.last_step == 9


def test_what_is_appended_to_an_opened_trace_comes_after_the_file(path: Path) -> None:
    write(SAMPLE, path)
    trace = Trace.open(path)
    more = (9, [("loss", "", 0.1)])
    put(trace, more)
    assert facts(trace) == facts(live([*SAMPLE, more]))


def test_arrays_that_change_length(path: Path) -> None:
    lengths = [3, 3, 2, 0, 2, 2]
    trace = Trace(sink=path)
    for step, length in enumerate(lengths):
        trace.extend(step, [("firing_rate", "fc1", np.full(length, float(step)))])
    trace.close()
    for each in (trace, Trace.open(path)):
        steps, values = each.units(FIRING, "fc1")
        assert steps.tolist() == [2, 4, 5]
        assert values.tolist() == [[2.0, 2.0], [4.0, 4.0], [5.0, 5.0]]


@pytest.mark.parametrize("first", ["number", "array"])
def test_a_site_never_mixes_numbers_and_arrays(path: Path, first: str) -> None:
    number, array = 0.5, np.array([0.5, 0.25])
    values = [number, array] if first == "number" else [array, number]
    trace = Trace(sink=path)
    for step, value in enumerate([*values, *values]):
        trace.extend(step, [("firing_rate", "fc1", value)])
    trace.close()
    for each in (trace, Trace.open(path)):
        assert [reading.step for reading in each] == [0, 2]
    assert facts(trace) == facts(Trace.open(path))


def test_numbers_asked_for_as_arrays_and_the_reverse() -> None:
    trace = live(SAMPLE)
    with pytest.raises(TypeError, match=r"units\(\) reads it"):
        trace.series(FIRING, "fc1")
    assert trace.units(GRAD_RMS, "fc1.weight").values.shape == (0, 0)


def test_answers_are_copies() -> None:
    trace = live(SAMPLE)
    before = facts(trace)
    trace.series(LOSS).values[:] = -1.0
    trace.units(FIRING, "fc1").values[:] = -1.0
    assert facts(trace) == before


def test_recording_again_leaves_an_open_reader_whole(path: Path) -> None:
    """A reader holds the old file, even where the new one is shorter."""
    write(SAMPLE, path)
    reader = Trace.open(path)
    write([], path)
    assert facts(reader) == facts(live(SAMPLE))
    assert facts(Trace.open(path)) == facts(Trace())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_writes_nothing(path: Path) -> None:
    """A worker inherits the buffer; when it ends, the frames are not written twice."""
    trace = live(SAMPLE, sink=path)
    child = os.fork()
    if child == 0:
        trace.extend(7, [("loss", "", 7.0)])
        trace.flush()
        trace.close()
        os._exit(0)
    os.waitpid(child, 0)
    trace.close()
    assert facts(Trace.open(path)) == facts(live(SAMPLE))


def test_a_recording_that_was_never_closed(path: Path) -> None:
    trace = live(SAMPLE, sink=path)
    del trace
    assert facts(Trace.open(path)) == facts(live(SAMPLE))
