import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Trace
from reluctant.rules import Blind
from reluctant.rules.initial_state.scale_too_large import ScaleTooLarge
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup


def run(
    loss: list[float] = FLAT, *, std: float = 1.25, growth: float = 5, unit: float = 1
) -> Trace:
    forward = {f"fc{i}": [unit * growth**i] * len(loss) for i in range(6)}
    return judged(mlp_setup(6, std=std), loss=loss, preact_rms=forward)


def test_finds_the_sick() -> None:
    (finding,) = ScaleTooLarge().check(run())
    assert "its mean square grows by 7.0 decades to the output" in finding.message


def test_a_loss_that_breaks_at_once_is_harm_enough() -> None:
    (finding,) = ScaleTooLarge().check(run([1e4, math.nan, math.nan]))
    assert "no number from step 1 on" in finding.message


def test_spares_large_weights_that_train() -> None:
    assert not list(ScaleTooLarge().check(run(FALLING)))


def test_spares_large_inputs_under_ordinary_weights() -> None:
    assert not list(ScaleTooLarge().check(run(std=0.25, growth=1.0, unit=255.0)))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="5 steps, 20 needed"):
        list(ScaleTooLarge().check(run(FLAT[:5])))


def test_nan_everywhere_is_no_sign() -> None:
    assert not list(ScaleTooLarge().check(run(unit=math.nan)))


def test_one_spike_of_the_loss_changes_nothing() -> None:
    loss = [*FALLING]
    loss[50] = 1e9
    assert not list(ScaleTooLarge().check(run(loss)))


@given(st.floats(1e-6, 1e6))
def test_the_scale_of_the_input_changes_nothing(unit: float) -> None:
    assert len(list(ScaleTooLarge().check(run(unit=unit)))) == 1
