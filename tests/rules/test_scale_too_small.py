import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.initial_state.scale_too_small import ScaleTooSmall
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup

SMALL = 0.0025  # He draws 0.25 at a fan-in of 32


def run(
    loss: list[float] = FLAT,
    *,
    std: float = SMALL,
    per_layer: float = 0.01,
    depth: int = 8,
    unit: float = 1.0,
) -> Trace:
    """Forward and backward signal change by `per_layer` from layer to layer."""
    forward = {f"fc{i}": [unit * per_layer**i] * len(loss) for i in range(depth)}
    back = {
        f"fc{i}": [unit * per_layer ** (depth - 1 - i)] * len(loss)
        for i in range(depth)
    }
    return judged(
        mlp_setup(depth, std=std), loss=loss, preact_rms=forward, signal_grad_rms=back
    )


def test_finds_the_sick() -> None:
    (finding,) = ScaleTooSmall().check(run())
    assert finding.severity is Severity.ERROR
    assert len(finding.sites) == 8
    assert "its mean square falls by 28.0 decades to the output, 4.00 a layer" in (
        finding.message
    )


def test_spares_a_starved_look_that_trains() -> None:
    assert not list(ScaleTooSmall().check(run(FALLING)))


def test_spares_ordinary_weights_whatever_the_signal() -> None:
    assert not list(ScaleTooSmall().check(run(std=0.25)))


def test_spares_small_weights_that_keep_the_signal() -> None:
    assert not list(ScaleTooSmall().check(run(per_layer=0.9)))


def test_spares_three_layers_unless_they_are_tiny() -> None:
    assert not list(ScaleTooSmall().check(run(depth=3, std=10 * SMALL)))
    assert list(ScaleTooSmall().check(run(depth=3)))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="5 steps, 30 needed"):
        list(ScaleTooSmall().check(run(FLAT[:5])))


def test_nan_everywhere_is_no_sign() -> None:
    assert not list(ScaleTooSmall().check(run(unit=math.nan)))


def test_one_spike_of_the_loss_changes_nothing() -> None:
    loss = [*FLAT]
    loss[50] = 100.0
    assert list(ScaleTooSmall().check(run(loss)))


@given(st.floats(1e-6, 1e6))
def test_the_scale_of_input_and_loss_changes_nothing(unit: float) -> None:
    assert len(list(ScaleTooSmall().check(run(unit=unit)))) == 1
