"""NUM201, STP102, STP103, STP601: what the loss does late in a run."""

import math

import msgspec
import numpy as np
import pytest

from reluctant.records import Group, Severity, Trace
from reluctant.rules import Blind
from reluctant.rules.numerics.overflow_ahead import OverflowAhead
from reluctant.rules.step_size.noise_floor import NoiseFloor
from reluctant.rules.step_size.oscillating_loss import OscillatingLoss
from reluctant.rules.step_size.single_step_catastrophe import SingleStepCatastrophe
from reluctant.rules.step_size.step_near_limit import StepNearLimit
from rules.rule_cases import FALLING, judged, mlp_setup

LEVEL = float(np.log(4))


# --- noise-floor


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_excess_is_a_quarter_of_the_gain(beta: float) -> None:
    """Descent on a quadratic with noise in the gradient, against the formula."""
    rng = np.random.default_rng(0)
    curvature = np.array([0.2, 1.0, 3.0])
    rate = 0.2 * (1 - beta)
    w, u = np.zeros(3), np.zeros(3)
    gains, excess = [], []
    for step in range(60_000):
        g = curvature * w + rng.standard_normal(3)
        u = beta * u + g
        if step > 2000:
            gains.append(float(g @ u) * rate)
            excess.append(0.5 * float(curvature @ w**2))
        w = w - rate * u
    predicted = np.mean(gains) / (4 * (1 - beta))
    # exact without momentum; with it to the order of the rate, which errs upward
    assert predicted == pytest.approx(np.mean(excess), rel=0.05 if beta == 0 else 0.35)


def flat(gain: float, level: float = 0.6 * LEVEL, **more: object) -> Trace:
    rng = np.random.default_rng(0)
    loss = [LEVEL * 0.9**i + level + 0.01 * rng.standard_normal() for i in range(200)]
    gains = [gain] * 200
    return judged(loss=loss, step_gain=gains, step_curvature=gains, **more)


def test_a_floor_that_the_step_makes() -> None:
    (finding,) = NoiseFloor().check(flat(gain=4 * 0.3 * 0.6 * LEVEL))
    assert "makes 30% ± 0% of it (limit 10%)" in finding.message
    assert finding.severity is Severity.WARNING


def test_a_floor_of_the_data() -> None:
    assert not list(NoiseFloor().check(flat(gain=4 * 0.05 * 0.6 * LEVEL)))


def test_momentum_makes_the_same_gain_worse() -> None:
    trace = flat(gain=4 * 0.05 * 0.6 * LEVEL)
    groups = (Group(optimizer="SGD", options={"lr": 0.1, "momentum": 0.9}),)
    setup = msgspec.structs.replace(trace.setup, groups=groups)
    trace.describe(0, setup)
    assert list(NoiseFloor().check(trace))


def test_a_rate_that_falls_is_the_cure() -> None:
    rates = {"group0": [0.1 * 0.98**i for i in range(200)]}
    assert not list(NoiseFloor().check(flat(gain=4.0, learning_rate=rates)))


def test_where_little_is_left_it_is_a_note() -> None:
    (finding,) = NoiseFloor().check(flat(gain=0.3, level=0.1 * LEVEL))
    assert finding.severity is Severity.NOTE


def test_a_loss_that_falls_is_at_no_floor() -> None:
    trace = judged(loss=FALLING, step_gain=[4.0] * 100, step_curvature=[0.1] * 100)
    assert not list(NoiseFloor().check(trace))


# --- step-near-limit


@pytest.mark.parametrize(
    ("gauge", "is_found"), [(1.0, False), (1.4, False), (1.9, True)]
)
def test_near_the_limit(gauge: float, is_found: bool) -> None:
    n = len(FALLING)
    trace = judged(loss=FALLING, step_gain=[0.3] * n, step_curvature=[0.3 * gauge] * n)
    found = list(StepNearLimit().check(trace))
    assert bool(found) is is_found
    assert all(f.severity is Severity.NOTE for f in found)


# --- oscillating-loss


def swinging(size: float, period: int = 40, gauge: float = 1.0) -> Trace:
    rng = np.random.default_rng(0)
    loss = [
        LEVEL * (0.2 + size * (1 - math.cos(2 * math.pi * i / period)) / 2)
        + 0.8 * LEVEL * 0.8**i
        + 0.01 * rng.standard_normal()
        for i in range(240)
    ]
    gains = [0.1] * len(loss)
    return judged(loss=loss, step_gain=gains, step_curvature=[gauge * g for g in gains])


@pytest.mark.parametrize(
    ("size", "gauge", "is_found"),
    [(0.6, 1.0, True), (0.1, 1.0, False), (0.6, 0.05, False)],
)
def test_swings(size: float, gauge: float, is_found: bool) -> None:
    found = list(OscillatingLoss().check(swinging(size, gauge=gauge)))
    assert bool(found) is is_found


def test_swings_that_leave_nothing_are_a_warning() -> None:
    (finding,) = OscillatingLoss().check(swinging(1.6))
    assert finding.severity is Severity.WARNING


def test_noise_is_no_swing() -> None:
    rng = np.random.default_rng(0)
    loss = (LEVEL * (0.4 + 0.5 * rng.random(400))).tolist()
    loss[:5] = [LEVEL] * 5
    gains = [0.1] * 400
    trace = judged(
        mlp_setup(batch_size=64), loss=loss, step_gain=gains, step_curvature=gains
    )
    assert not list(OscillatingLoss().check(trace))


# --- overflow-ahead


def growing(times: float, steps: int = 90, largest: str = "") -> Trace:
    sizes = [0.5 * times**i for i in range(steps)]
    more = {"signal_grad_subnormal": {"fc1": [0.0] * steps}} if largest else {}
    return judged(loss=[LEVEL] * steps, preact_rms={"fc1": sizes}, **more)


def test_counts_the_steps_that_are_left() -> None:
    (finding,) = OverflowAhead().check(growing(1.5))
    left = (math.log(3.4e38) - math.log(0.5) - 89 * math.log(1.5)) / math.log(1.5)
    assert finding.evidence[0].value == pytest.approx(left, rel=1e-3)
    assert finding.sites == ("fc1",)
    assert "multiplied by 1.5 at every step" in finding.message


def test_half_precision_is_nearer() -> None:
    assert not list(OverflowAhead().check(growing(1.08)))
    (finding,) = OverflowAhead().check(growing(1.08, largest="float16"))
    assert "6.6e+04" in finding.message


@pytest.mark.parametrize("times", [1.0, 1.01, 0.9])
def test_ordinary_growth_is_clear(times: float) -> None:
    assert not list(OverflowAhead().check(growing(times)))


def test_a_rise_that_ends_is_no_growth() -> None:
    sizes = [1.0 + 1e4 / (1 + math.exp(-(i - 20) / 2)) for i in range(90)]
    trace = judged(loss=[LEVEL] * 90, preact_rms={"fc1": sizes})
    assert not list(OverflowAhead().check(trace))


def test_ten_losses_say_nothing() -> None:
    with pytest.raises(Blind, match="10 losses, 18 needed"):
        list(OverflowAhead().check(growing(1.5, steps=10)))


# --- single-step-catastrophe


@pytest.mark.parametrize(("after", "is_told"), [(0.02, False), (1.2, True)])
def test_a_spike_that_a_converged_run_comes_back_from(after: float, is_told: bool):
    spike = [0.7, 0.3, 0.1]
    loss = [2.3 * 0.9**i + 0.004 for i in range(80)] + spike + [after] * 40
    found = list(SingleStepCatastrophe().check(judged(loss=loss)))
    assert bool(found) == is_told
