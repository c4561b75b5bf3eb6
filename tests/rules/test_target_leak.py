"""LOP402 on hand-written traces."""

import math

import pytest

from builders import trace_of
from reluctant.records import Note, Severity
from reluctant.rules._base import Blind
from reluctant.rules.loop.target_leak import TargetLeak


def judged(leak: float | None, shifted: float = 1.0, **more):
    future = {} if leak is None else {"future_leak": {"embed": [leak]}}
    trace = trace_of(next_targets=[shifted], **future, **more)
    return list(TargetLeak().check(trace))


def test_a_leak_is_an_error_with_both_numbers():
    (found,) = judged(0.25, 0.9)
    assert found.severity is Severity.ERROR
    assert found.sites == ("embed",)
    assert "embed" in found.message
    values = {e.quantity: (e.value, e.limit) for e in found.evidence}
    assert values == {"future_leak": (0.25, 1e-5), "next_targets": (0.9, 0.8)}


def test_either_alone_is_none():
    assert not judged(0.0)
    assert not judged(1e-6)
    assert not judged(0.25, 0.5)
    assert not judged(None, 0.5)


def test_it_is_blind_without_targets_or_a_graph():
    with pytest.raises(Blind, match="compared"):
        list(TargetLeak().check(trace_of(loss=[1.0])))
    with pytest.raises(Blind, match="not asked"):
        judged(None)
    with pytest.raises(Blind, match="not asked"):
        judged(math.nan)
    with pytest.raises(Blind, match="a norm"):
        judged(None, notes=[Note(0, "blind", "future", "a norm couples all")])
