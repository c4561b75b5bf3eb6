import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Trace
from reluctant.rules import Blind
from reluctant.rules.gradient.vanishing_gradient import VanishingGradient
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup


def run(
    loss: list[float] = FLAT,
    *,
    per_layer: float = 0.1,
    unit: float = 1.0,
    move: float = 1e-9,
) -> Trace:
    n = len(loss)
    back = {f"fc{i}": [unit * per_layer ** (7 - i)] * n for i in range(8)}
    moves = {f"fc{i}.weight": [move if i < 4 else 1e-3] * n for i in range(8)}
    return judged(
        mlp_setup(8, activation="sigmoid"),
        loss=loss,
        signal_grad_rms=back,
        update_ratio=moves,
    )


def test_finds_the_sick() -> None:
    (finding,) = VanishingGradient().check(run())
    assert finding.sites == ("fc0", "fc1", "fc2")
    assert finding.message.startswith(
        "the gradient at fc0 is 1.0e-07, 7.0 decades below that at fc7 (limit 4); 3"
    )


def test_spares_a_network_that_learns() -> None:
    assert not list(VanishingGradient().check(run(FALLING)))


def test_spares_layers_that_move() -> None:
    assert not list(VanishingGradient().check(run(move=1e-3)))


def test_spares_tiny_gradients_everywhere() -> None:
    assert not list(VanishingGradient().check(run(per_layer=0.9, unit=1e-12)))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="3 steps, 30 needed"):
        list(VanishingGradient().check(run(FLAT[:3])))


def test_nan_everywhere_is_not_clear() -> None:
    with pytest.raises(Blind, match="no gradient of a layer is finite"):
        list(VanishingGradient().check(run(unit=math.nan)))


def test_one_spike_of_the_loss_changes_nothing() -> None:
    loss = [*FLAT]
    loss[50] = 100.0
    assert list(VanishingGradient().check(run(loss)))


@given(st.floats(1e-6, 1e6))
def test_rescaling_the_loss_changes_nothing(c: float) -> None:
    assert [f.sites for f in VanishingGradient().check(run(unit=c))] == [
        ("fc0", "fc1", "fc2")
    ]
