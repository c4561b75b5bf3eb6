import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Confidence, Group, Trace
from reluctant.rules import Blind
from reluctant.rules.step_size.step_past_limit import StepPastLimit
from rules.rule_cases import FALLING, judged, mlp_setup

RISING = [1.4 * 1.2**i for i in range(100)]


def run(gauge: float | list[float], loss: list[float], gain: float = 0.3) -> Trace:
    gauges = gauge if isinstance(gauge, list) else [gauge] * len(loss)
    return judged(
        loss=loss,
        step_gain=[gain] * len(gauges),
        step_curvature=[gain * g for g in gauges],
        learning_rate={"group0": [0.5]},
        update_ratio={"fc0.weight": [1e-3] * len(loss)},
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


def stepped(ratio: float, loss: list[float], depth: int = 4) -> Trace:
    """No gauge: only how much of each weight a step replaces."""
    ratios = {f"fc{i}.weight": [ratio] * len(loss) for i in range(depth)}
    return judged(mlp_setup(depth), loss=loss, update_ratio=ratios)


def test_without_a_gauge_steps_that_replace_the_weights_are_too_long() -> None:
    (finding,) = StepPastLimit().check(stepped(0.5, RISING))
    assert finding.message.startswith("one step replaces 50% of the weights at step")
    assert "(limit 19% for 4 weight matrices)" in finding.message


def test_the_product_over_layers_is_what_counts() -> None:
    for depth in (1, 2, 3, 6):
        limit = 2 ** (1 / depth) - 1
        assert list(StepPastLimit().check(stepped(1.01 * limit, RISING, depth)))
        with pytest.raises(Blind):
            list(StepPastLimit().check(stepped(0.99 * limit, RISING, depth)))


def test_long_steps_without_harm_are_training() -> None:
    assert not list(StepPastLimit().check(stepped(0.9, FALLING)))


def test_steps_against_the_gradient_need_no_curvature() -> None:
    rng = np.random.default_rng(0)
    gain = (-1 + 0.1 * rng.standard_normal(100)).tolist()
    trace = judged(loss=RISING, step_gain=gain, step_curvature=[0.01] * 100)
    (finding,) = StepPastLimit().check(trace)
    assert "the steps go on against the gradient" in finding.message


@pytest.mark.parametrize(
    ("batch_size", "is_found"), [(1, True), (8, True), (64, False)]
)
def test_momentum_lowers_the_limit_where_batches_are_small(
    batch_size: int, is_found: bool
) -> None:
    groups = (Group(optimizer="SGD", options={"lr": 0.1, "momentum": 0.9}),)
    setup = msgspec.structs.replace(mlp_setup(batch_size=batch_size), groups=groups)
    trace = judged(
        setup, loss=RISING, step_gain=[1.0] * 100, step_curvature=[0.3] * 100
    )
    assert bool(list(StepPastLimit().check(trace))) is is_found
