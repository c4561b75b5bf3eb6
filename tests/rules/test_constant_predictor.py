import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import trace_of
from reluctant.records import Loss, Trace, quantities
from reluctant.rules import Blind
from reluctant.rules.head.constant_predictor import ConstantPredictor
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup

MSE = Loss(kind="mse", reduction="mean", outputs=1)

_MOMENTS = (
    ("output_mean", quantities.OUTPUT_MEAN, 1),
    ("output_square", quantities.OUTPUT_SQUARE, 2),
    ("target_mean", quantities.TARGET_MEAN, 1),
    ("target_square", quantities.TARGET_SQUARE, 2),
)


def run(loss: list[float] = FLAT, *, variance: float | list[float] = 1e-9) -> Trace:
    n = len(loss)
    apart = variance if isinstance(variance, list) else [variance] * n
    return judged(
        loss=loss,
        output_mean=[[1.0] * 4] * n,
        output_square=[[1.0 + v] * 4 for v in apart],
        output_variation=[v / (1 + v) for v in apart],
    )


def regression(loss: float, apart: float, *, factor: float = 1.0) -> Trace:
    """Minibatch 1: 400 targets around 5 with variance 1, outputs `apart` around 5."""
    rng = np.random.default_rng(0)
    want = 5 + rng.normal(size=(400, 1))
    got = 5 + math.sqrt(apart) * rng.normal(size=(400, 1))
    error = ((got - want) ** 2)[:, 0] if apart < 0.5 else np.full(400, loss)
    setup = msgspec.structs.replace(mlp_setup(batch_size=1), loss=MSE)
    return trace_of(
        setup=setup,
        loss=(factor * error).tolist(),
        output_mean=got.tolist(),
        output_square=(got**2).tolist(),
        target_mean=want.tolist(),
        target_square=(want**2).tolist(),
    )


def test_finds_the_sick() -> None:
    (finding,) = ConstantPredictor().check(run())
    assert (
        "the loss is 1.386 where the best constant has 1.386 (skill -0.000"
        in (finding.message)
        or "skill 0.000" in finding.message
    )


def test_spares_the_healthy() -> None:
    assert not list(ConstantPredictor().check(run(FALLING, variance=3.0)))


def test_slow_is_not_dead() -> None:
    assert not list(ConstantPredictor().check(run(FLAT, variance=0.01)))


def test_a_spread_that_grows_is_not_judged_yet() -> None:
    growing = [1e-9 * 1.1**i for i in range(100)]
    with pytest.raises(Blind, match="still grows"):
        list(ConstantPredictor().check(run(FLAT, variance=growing)))


def test_minibatch_one_is_pooled() -> None:
    assert list(ConstantPredictor().check(regression(1.0, 1e-6)))
    assert not list(ConstantPredictor().check(regression(1.0, 0.9)))


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_factor_before_a_squared_error_is_told_from_the_data(factor: float) -> None:
    assert list(ConstantPredictor().check(regression(1.0, 1e-6, factor=factor)))


def test_has_no_opinion_yet() -> None:
    with pytest.raises(Blind, match="5 steps, 40 needed"):
        list(ConstantPredictor().check(run(FLAT[:5])))


def test_without_a_known_loss_it_is_blind() -> None:
    setup = msgspec.structs.replace(mlp_setup(), loss=None)
    with pytest.raises(Blind, match="is unknown"):
        list(ConstantPredictor().check(trace_of(setup=setup, loss=FLAT)))


def test_nan_everywhere_is_not_clear() -> None:
    with pytest.raises(Blind, match="too few outputs"):
        list(ConstantPredictor().check(run(variance=math.nan)))


def test_one_spike_changes_nothing() -> None:
    apart = [1e-9] * 100
    apart[90] = 10.0
    assert list(ConstantPredictor().check(run(variance=apart)))


@given(st.floats(1e-3, 1e3))
def test_the_unit_of_the_targets_changes_nothing(c: float) -> None:
    trace = regression(1.0, 1e-6)
    scaled = {
        name: [[c**power * v for v in row] for row in trace.units(q, "").values]
        for name, q, power in _MOMENTS
    }
    loss = (c**2 * trace.series(quantities.LOSS).values).tolist()
    assert list(
        ConstantPredictor().check(trace_of(setup=trace.setup, loss=loss, **scaled))
    )
