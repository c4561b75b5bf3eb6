import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import trace_of
from reluctant.records import Confidence, Note, Severity
from reluctant.rules.numerics.nonfinite_loss import NonfiniteLoss

NAN = math.nan
FED = Note(3, "nonfinite", "input", "holds nan in sample 3 of 64")
PRODUCED = Note(3, "nonfinite", "fc1", "log put out inf")
SICK = trace_of(loss=[1.0, 0.9, 0.8, NAN, NAN], notes=[PRODUCED, FED])
HEALTHY = trace_of(loss=[1.0, 0.9, 0.8, 1e30, 0.7])


def test_finds_the_sick_and_names_what_was_fed_first() -> None:
    (finding,) = NonfiniteLoss().check(SICK)
    assert finding.sites == ("input", "fc1", "")
    assert finding.since_step == 3
    assert finding.message == (
        "the loss is nan at step 3: the input holds nan in sample 3 of 64; 2 of 5 "
        "losses are not finite"
    )


def test_spares_the_healthy_however_large() -> None:
    assert not list(NonfiniteLoss().check(HEALTHY))


def test_nan_everywhere() -> None:
    (finding,) = NonfiniteLoss().check(trace_of(loss=[NAN] * 5))
    assert finding.since_step == 0
    assert finding.severity is Severity.ERROR


def test_one_that_passes_is_a_warning() -> None:
    (finding,) = NonfiniteLoss().check(trace_of(loss=[1.0, math.inf, 0.9, 0.8]))
    assert finding.severity is Severity.WARNING
    assert finding.confidence is Confidence.MEDIUM


@given(st.integers(0, 30), st.integers(1, 5))
def test_onset_is_the_first_one(before: int, after: int) -> None:
    (finding,) = NonfiniteLoss().check(trace_of(loss=[1.0] * before + [NAN] * after))
    assert finding.since_step == before


@pytest.mark.parametrize("value", [math.inf, -math.inf, NAN])
def test_any_kind_of_no_number(value: float) -> None:
    assert list(NonfiniteLoss().check(trace_of(loss=[1.0, value])))
