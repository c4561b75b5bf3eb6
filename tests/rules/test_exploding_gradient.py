import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reluctant.records import Trace
from reluctant.rules import Blind
from reluctant.rules.gradient.exploding_gradient import ExplodingGradient
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup

RISING = [1.4 * 1.2**i for i in range(100)]


def run(loss: list[float], *, growth: float = 1.1, unit: float = 1.0) -> Trace:
    sizes = [unit * growth**i for i in range(len(loss))]
    return judged(loss=loss, grad_rms={"fc0.weight": sizes, "fc1.weight": sizes})


def test_finds_the_sick() -> None:
    (finding,) = ExplodingGradient().check(run(RISING))
    assert "4.1 decades above its first samples (limit 2); the loss rises" in (
        finding.message
    )


def test_growth_over_the_depth_counts_where_nothing_is_learnt() -> None:
    back = {f"fc{i}": [10.0 ** (7 - i)] * 100 for i in range(8)}
    sizes = {"fc0.weight": [1.0] * 100}
    sick = judged(mlp_setup(8), loss=FLAT, signal_grad_rms=back, grad_rms=sizes)
    (finding,) = ExplodingGradient().check(sick)
    assert "7.0 decades above that at the head (limit 3)" in finding.message


def test_spares_growth_without_harm() -> None:
    assert not list(ExplodingGradient().check(run(FALLING)))


def test_spares_huge_gradients_that_fall() -> None:
    assert not list(ExplodingGradient().check(run(FALLING, growth=0.9, unit=1e9)))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="3 samples of grad_rms, 4 needed"):
        list(ExplodingGradient().check(run(FLAT[:3])))


def test_nan_everywhere_is_not_clear() -> None:
    with pytest.raises(Blind, match="0 samples"):
        list(ExplodingGradient().check(run(FLAT, unit=math.nan)))


def test_one_spike_changes_nothing() -> None:
    sizes = [1.0] * 100
    sizes[50] = 1e9
    spiked = judged(loss=FALLING, grad_rms={"fc0.weight": sizes})
    assert not list(ExplodingGradient().check(spiked))


@given(st.floats(1e-6, 1e6))
def test_rescaling_the_gradient_changes_nothing(c: float) -> None:
    (finding,) = ExplodingGradient().check(run(RISING, unit=c))
    assert "4.1 decades" in finding.message
