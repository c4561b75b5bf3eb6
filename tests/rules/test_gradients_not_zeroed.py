import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import trace_of
from reluctant.records import Confidence
from reluctant.rules import Blind
from reluctant.rules.loop.gradients_not_zeroed import GradientsNotZeroed

SICK = trace_of(grad_kept=[0.0] + [1.0] * 9)
HEALTHY = trace_of(grad_kept=[0.0] * 10)
TOO_SHORT = trace_of(grad_kept=[0.0, 1.0, 1.0])


def test_finds_the_sick() -> None:
    (finding,) = GradientsNotZeroed().check(SICK)
    assert finding.message == (
        "backward() began on the last step's gradients in 9 of 9 sampled steps (limit "
        "80%), since step 1"
    )
    assert finding.confidence is Confidence.HIGH


def test_spares_the_healthy() -> None:
    assert not list(GradientsNotZeroed().check(HEALTHY))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="2 samples of grad_kept, 3 needed"):
        list(GradientsNotZeroed().check(TOO_SHORT))


def test_nan_everywhere_is_not_clear() -> None:
    with pytest.raises(Blind):
        list(GradientsNotZeroed().check(trace_of(grad_kept=[math.nan] * 10)))


def test_one_spike_changes_nothing() -> None:
    spiked = trace_of(grad_kept=[0.0] * 5 + [1.0] + [0.0] * 5)
    assert not list(GradientsNotZeroed().check(spiked))


@given(st.integers(1, 50))
def test_the_cadence_changes_nothing(every: int) -> None:
    sick = trace_of(grad_kept=[0.0] + [1.0] * 9, every=every)
    assert len(list(GradientsNotZeroed().check(sick))) == 1
