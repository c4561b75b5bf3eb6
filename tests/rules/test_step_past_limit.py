import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Confidence, Trace
from reluctant.rules import Blind
from reluctant.rules.step_size.step_past_limit import StepPastLimit
from rules.rule_cases import FALLING, judged

RISING = [1.4 * 1.2**i for i in range(100)]


def run(gauge: float | list[float], loss: list[float], gain: float = 0.3) -> Trace:
    gauges = gauge if isinstance(gauge, list) else [gauge] * len(loss)
    return judged(
        loss=loss,
        step_gain=[gain] * len(gauges),
        step_curvature=[gain * g for g in gauges],
        learning_rate={"group0": [0.5]},
    )


def test_finds_the_sick() -> None:
    (finding,) = StepPastLimit().check(run(5.0, RISING))
    assert finding.confidence is Confidence.HIGH
    assert "the step gauge is 5 ± 0 over" in finding.message
    assert "(limit 2), learning rate 0.5; the loss rises" in finding.message


def test_spares_a_short_step_whatever_the_harm() -> None:
    assert not list(StepPastLimit().check(run(0.3, RISING)))


@given(st.floats(0, 100))
def test_the_edge_of_stability_without_harm_is_training(gauge: float) -> None:
    assert not list(StepPastLimit().check(run(gauge, FALLING)))


def test_between_edge_and_limit_confidence_is_low() -> None:
    (finding,) = StepPastLimit().check(run(1.7, RISING))
    assert finding.confidence is Confidence.LOW


def test_infinity_after_two_steps_is_enough() -> None:
    (finding,) = StepPastLimit().check(run([9.0, 80.0], [1.4, 300.0, math.inf]))
    assert "no number from step 2 on" in finding.message


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="3 steps, 20 needed"):
        list(StepPastLimit().check(run(1.0, [1.0, 0.9, 0.8])))


def test_nan_everywhere_is_not_clear() -> None:
    with pytest.raises(Blind, match="no sample of the gauge is finite"):
        list(StepPastLimit().check(run(math.nan, RISING)))


def test_one_spike_of_the_gauge_without_harm_changes_nothing() -> None:
    gauges = [0.3] * 100
    gauges[50] = 1e6
    assert not list(StepPastLimit().check(run(gauges, FALLING)))


@given(st.floats(1e-3, 1e3))
def test_the_unit_of_the_loss_changes_nothing(c: float) -> None:
    (finding,) = StepPastLimit().check(run(5.0, RISING, gain=0.3 * c))
    assert "the step gauge is 5 " in finding.message
