import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Group, Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.gradient.vanishing_gradient import VanishingGradient
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup


def run(
    loss: list[float] = FLAT,
    *,
    per_layer: float = 0.1,
    unit: float = 1.0,
    move: float = 1e-9,
    optimizer: str = "SGD",
) -> Trace:
    n = len(loss)
    back = {f"fc{i}": [unit * per_layer ** (7 - i)] * n for i in range(8)}
    moves = {f"fc{i}.weight": [move if i < 4 else 1e-3] * n for i in range(8)}
    setup = msgspec.structs.replace(
        mlp_setup(8, activation="sigmoid"),
        groups=(Group(optimizer=optimizer, options={"lr": 1e-3}),),
    )
    return judged(
        setup,
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


def of_adam(flat: int, end: float, per_layer: float) -> Trace:
    """A loss that stands at the constant's for some of 200 steps, and then falls."""
    start = math.log(4)
    falling = [max(end, start * 0.9**i) for i in range(200 - flat)]
    loss = [start] * flat + falling
    return run(loss, per_layer=per_layer, move=1e-3, optimizer="Adam")


@pytest.mark.parametrize(
    ("flat", "end", "per_layer", "expected"),
    [
        (100, 0.6, 0.2, True),  # 5 decades, and half of the run was lost
        (30, 0.6, 0.2, False),  # began soon
        (100, 0.01, 0.2, False),  # made up for it
        (40, 0.6, 0.1, True),  # 7 decades
        (40, 0.6, 0.5, False),  # 2 decades
    ],
)
def test_a_network_that_begins_late(
    flat: int, end: float, per_layer: float, expected: bool
) -> None:
    found = list(VanishingGradient().check(of_adam(flat, end, per_layer)))
    assert [f.severity for f in found] == [Severity.WARNING] * expected
    assert not found or "learning began at step" in found[0].message
