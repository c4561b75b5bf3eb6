from typing import Any

import pytest

from reluctant.diagnosis import diagnose
from reluctant.records import Trace
from reluctant.rules.initial_state.scale_too_small import ScaleTooSmall
from reluctant.rules.initial_state.wrong_scheme_for_activation import (
    WrongSchemeForActivation,
)
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup


def run(gain: float, *, depth: int = 24, loss: list[float] = FLAT) -> Trace:
    """Rectified layers of width 32, each passing on `gain` of the signal's RMS."""
    # the first layer has no rectifier before it, and so another scale
    setup = mlp_setup(depth, std=gain * (2 / 32) ** 0.5)
    runs: dict[str, Any] = {
        "preact_rms": {f"fc{i}": [gain**i] * 100 for i in range(depth)},
        "signal_grad_rms": {
            f"fc{i}": [gain ** (depth - i)] * 100 for i in range(depth)
        },
    }
    return judged(setup=setup, loss=loss, **runs)


def test_glorot_under_rectifiers() -> None:
    (finding,) = WrongSchemeForActivation().check(run(0.71))
    assert "23 of 24 layers are drawn at 0.71" in finding.message
    assert "under relu" in finding.message
    assert "0.30 a layer" in finding.message
    assert not list(ScaleTooSmall().check(run(0.71)))


@pytest.mark.parametrize("gain", [0.3, 1.0, 1.2])
def test_other_scales_are_not_meant(gain: float) -> None:
    assert not list(WrongSchemeForActivation().check(run(gain)))


def test_a_shallow_network_bears_it() -> None:
    assert not list(WrongSchemeForActivation().check(run(0.71, depth=6)))


def test_a_network_that_learns_bears_it() -> None:
    assert not list(WrongSchemeForActivation().check(run(0.71, loss=FALLING)))


def test_is_the_root_of_what_follows() -> None:
    root = diagnose(run(0.71)).root
    assert root is not None
    assert root.code == "INI201"
