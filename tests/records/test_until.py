"""`until(k)` is the trace that would have been recorded, had the run ended at k."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.logs import FIRING, LOSS, SAMPLE, Log, facts, live, logs, put, write
from reluctant.records import Setup, Trace

steps = st.integers(-1, 25)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("until") / "run.trace"


def up_to(log: Log, step: int) -> Trace:
    return live([entry for entry in log if entry[0] <= step])


@given(log=logs(max_size=12), step=steps)
def test_live(log: Log, step: int) -> None:
    assert facts(live(log).until(step)) == facts(up_to(log, step))


@given(log=logs(max_size=12), step=steps)
def test_reopened(path: Path, log: Log, step: int) -> None:
    write(log, path)
    assert facts(Trace.open(path).until(step)) == facts(up_to(log, step))


@given(log=logs(max_size=12), first=steps, second=steps)
def test_twice_is_the_earlier(log: Log, first: int, second: int) -> None:
    both = live(log).until(first).until(second)
    assert facts(both) == facts(live(log).until(min(first, second)))


@given(log=logs(max_size=12), step=steps)
def test_a_view_stands_still_while_the_run_goes_on(log: Log, step: int) -> None:
    trace = up_to(log, step)
    view = trace.until(step)
    before = facts(view)
    for entry in log:
        if entry[0] > step:
            put(trace, entry)
    assert facts(view) == before


def test_a_step_between_two_recorded_ones() -> None:
    assert live(SAMPLE).until(3).last_step == 2


def test_before_the_first_step() -> None:
    view = live([(5, Setup(name="Net")), (5, [("loss", "", 1.0)])]).until(4)
    assert view.last_step == -1
    assert view.setup == Setup()
    assert not view.has(LOSS)


def test_an_array_that_grew_later() -> None:
    """What a later rebuild changed must not reach back."""
    log = [(0, [("firing_rate", "fc1", np.ones(2))]), (1, SAMPLE[2][1])]
    assert live(log).until(0).units(FIRING, "fc1").values.shape == (1, 2)
    assert live(log).units(FIRING, "fc1").values.shape == (1, 3)
