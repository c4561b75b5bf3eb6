import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import trace_of
from reluctant.records import Note
from reluctant.rules import Blind
from reluctant.rules.step_size.divergence import Divergence
from rules.rule_cases import judged

RISING = [1.4 * 1.1**i for i in range(100)]
SICK = judged(loss=RISING)
HEALTHY = judged(loss=[1.4 * 0.99**i for i in range(100)])
TOO_SHORT = judged(loss=[1.0, 2.0, 4.0])


def test_finds_the_sick() -> None:
    (finding,) = Divergence().check(SICK)
    assert finding.evidence[0].value > finding.evidence[0].limit
    assert "since step" in finding.message


def test_spares_the_healthy() -> None:
    assert not list(Divergence().check(HEALTHY))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="3 losses, 10 needed"):
        list(Divergence().check(TOO_SHORT))


def test_growth_into_infinity() -> None:
    (finding,) = Divergence().check(judged(loss=[1.0, 10.0, 1e6, 1e20, math.inf]))
    assert finding.evidence[0].value == math.inf
    assert finding.since_step <= 2


def test_nan_everywhere_is_for_another_rule() -> None:
    assert not list(Divergence().check(judged(loss=[math.nan] * 20)))


def test_nan_without_growth_is_for_another_rule() -> None:
    assert not list(Divergence().check(judged(loss=[1.0, 0.9, 0.8] + [math.nan] * 9)))


def test_nan_in_the_data_is_no_growth() -> None:
    fed = Note(3, "nonfinite", "input", "holds nan")
    assert not list(
        Divergence().check(trace_of(loss=[1.0, 5.0, 50.0, math.nan], notes=[fed]))
    )


def test_a_spike_changes_nothing() -> None:
    loss = [1.4 * 0.99**i for i in range(100)]
    loss[90:93] = [1e6, 1e5, 1e4]
    assert not list(Divergence().check(judged(loss=loss)))


def test_a_catapult_is_none() -> None:
    loss = [1.4, 3, 9, 30, 90, 60, 20, 5, 1, *(0.5 * 0.99**i for i in range(91))]
    assert not list(Divergence().check(judged(loss=loss)))


def test_a_loss_below_the_constant_predictors_has_not_diverged() -> None:
    # it rises threefold, and every constant would still do worse
    assert not list(Divergence().check(judged(loss=list(np.linspace(0.1, 0.9, 100)))))


def test_where_the_targets_are_unknown_a_slow_rise_may_be_meant() -> None:
    slow = list(np.linspace(1.0, 8.0, 100))
    assert not list(Divergence().check(trace_of(loss=slow)))
    assert list(Divergence().check(judged(loss=slow)))


def test_a_negative_loss_that_falls_is_none() -> None:
    assert not list(Divergence().check(trace_of(loss=list(np.linspace(1, -50, 100)))))


@given(st.floats(1e-6, 1e6))
def test_rescaling_the_loss_changes_nothing(c: float) -> None:
    scaled = trace_of(loss=[c * x for x in RISING])
    assert len(list(Divergence().check(scaled))) == 1


@given(st.integers(0, 2**31))
def test_noise_around_a_level_is_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    loss = np.exp(rng.normal(size=200)).tolist()
    assert not list(Divergence().check(trace_of(loss=loss)))
