"""LOP401 on hand-written traces."""

import math

import pytest

from builders import trace_of
from reluctant.records import Module, Note, Setup, Severity
from reluctant.rules._base import Blind
from reluctant.rules.loop.leak_across_batch import LeakAcrossBatch

SETUP = Setup(
    modules=(
        Module(name="", type="Net"),
        Module(name="pool", type="Mean"),
        Module(name="norm", type="BatchNorm1d"),
    )
)


def judged(site: str, value: float, batches: float = 10.0):
    trace = trace_of(setup=SETUP, sample_leak={site: [value]}, data_batches=[batches])
    return list(LeakAcrossBatch().check(trace))


def test_a_leak_is_an_error_with_its_place():
    (found,) = judged("pool", 0.4)
    assert found.severity is Severity.ERROR
    assert found.sites == ("pool",)
    assert "40.0% of the gradient" in found.message
    assert "(Mean)" in found.message


def test_none_is_clear():
    assert not judged("", 0.0)
    assert not judged("", 1e-5)


def test_what_may_be_meant_is_a_note():
    (norm,) = judged("norm", 0.4)
    assert norm.severity is Severity.NOTE
    assert "statistics of the batch" in norm.message
    (graph,) = judged("pool", 0.4, batches=1.0)
    assert graph.severity is Severity.NOTE


def test_a_watched_run_is_blind_and_a_check_says_why():
    with pytest.raises(Blind, match="check"):
        list(LeakAcrossBatch().check(trace_of(loss=[1.0])))
    note = Note(0, "exam-blind", "samples", "batches hold a single sample")
    with pytest.raises(Blind, match="single sample"):
        list(LeakAcrossBatch().check(trace_of(loss=[1.0], notes=[note])))
    with pytest.raises(Blind, match="no numbers"):
        judged("", math.nan)
