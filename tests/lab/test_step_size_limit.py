"""The limit where it is known."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import Training
from reluctant.lab._step_size_gauge import (
    LAW,
    extrapolate,
    find_limit,
)
from reluctant.lab._step_size_limit import step_size_limit
from reluctant.lab._step_size_probes import can_be_fused
from reluctant.probes._update import Unmeasurable
from reluctant.records import UsageError

torch.set_num_threads(1)


def law(rate: float) -> np.ndarray:
    """G = 6·√rate: the limit is 1/9."""
    return np.array([[1.0, 6 * rate**0.5]] * 20)


@pytest.mark.parametrize("start", [1e-6, 1e-3, 0.05, 0.5, 50.0])
def test_finds_the_limit_from_anywhere(start):
    asked: list[float] = []

    def probe(rate: float) -> np.ndarray:
        asked.append(rate)
        return law(rate)

    limit = find_limit(probe, start=start)
    assert limit.value == pytest.approx(1 / 9, rel=1e-6)
    law_alone = math.exp(1.96 * LAW)  # nothing else is uncertain
    assert limit.interval == pytest.approx((1 / 9 / law_alone, law_alone / 9))
    assert all(a < b for a, b in zip(limit.rates, limit.rates[1:], strict=False))
    assert max(limit.gauges) < 2
    assert len(asked) <= 12


def test_probes_that_collapse_count_as_too_large():
    def probe(rate: float) -> np.ndarray:
        return law(rate) if rate < 0.03 else np.zeros((20, 2))

    assert find_limit(probe, start=0.02).value == pytest.approx(1 / 9, rel=1e-6)


def test_nothing_usable_gives_a_reason():
    limit = find_limit(lambda rate: np.zeros((0, 2)), start=1.0)
    assert math.isnan(limit.value)
    assert "0 of at least 2" in limit.reason


def test_noise_widens_the_interval():
    random = np.random.default_rng(0)

    def noisy(rate: float) -> np.ndarray:
        gain = random.exponential(size=200)
        return np.stack([gain, gain * 6 * rate**0.5 * random.exponential(size=200)], 1)

    probes = {rate: noisy(rate) for rate in (0.01, 0.02, 0.04)}
    low, high = extrapolate(probes).interval
    assert low < 1 / 9 < high
    assert high / low > 1.01 * math.exp(2 * 1.96 * LAW)


def test_quadratic_has_the_limit_of_the_textbook():
    """Full-batch descent on ½λx²: 2/λ, whatever the rate."""

    def recipe(seed: int) -> Training:
        model = nn.Linear(1, 1, bias=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        batches = [(torch.tensor([[2.0]]), torch.tensor([[1.0]]))]  # λ = 4 at ½·mse
        return Training(model, lambda y, t: F.mse_loss(y, t) / 2, optimizer, batches)

    limit = step_size_limit(recipe, method="gauge", steps=4, measured=2)
    assert limit.value == pytest.approx(0.5, rel=1e-3)
    assert limit.exponent == pytest.approx(1.0)


def noise_free(batch_size: int, momentum: float = 0.0):
    """Least squares with an exact solution, curvatures 1 and 25 (by symmetric inputs).

    The gradient along the sharp direction dies first, what is left is flat.
    """
    x = torch.tensor([[5.0, 1.0], [-5.0, 1.0], [5.0, -1.0], [-5.0, -1.0]])

    def recipe(seed: int) -> Training:
        model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Identity())
        sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=momentum)
        y = x @ torch.tensor([[0.7], [-0.4]])
        batches = list(zip(x.split(batch_size), y.split(batch_size), strict=True))
        return Training(model, lambda a, b: F.mse_loss(a, b) / 2, sgd, batches)

    return recipe


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_without_noise_the_sharpest_direction_counts(momentum):
    """Once converged, the gradient tells of flat ground alone: 2(1+β)/λmax stands."""
    limit = step_size_limit(
        noise_free(4, momentum), method="gauge", steps=400, measured=20
    )
    assert limit.value == pytest.approx(2 * (1 + momentum) / 25, rel=0.02)


def test_fused_engine_tells_the_limit_of_the_textbook():
    pytest.importorskip("numba")

    def recipe(seed: int) -> Training:
        model = nn.Sequential(nn.Linear(2, 1, bias=False))
        x = torch.tensor([[5.0, 1.0], [-5.0, 1.0], [5.0, -1.0], [-5.0, -1.0]])
        data = TensorDataset(x, x @ torch.tensor([[0.7], [-0.4]]))
        sgd = torch.optim.SGD(model.parameters(), lr=1e-3)
        return Training(model, nn.MSELoss(), sgd, DataLoader(data, batch_size=4))

    assert can_be_fused(recipe(0))
    limit = step_size_limit(recipe, method="gauge", steps=400, measured=20)
    assert limit.value == pytest.approx(2 / 50, rel=0.02)  # twice the Hessian of above
    assert limit.steps > 0


def test_takes_a_training_and_leaves_it_as_it_is():
    training = noise_free(2)(0)
    training.step(3)
    before = [p.detach().clone() for p in training.model.parameters()]
    limit = step_size_limit(training, method="gauge", steps=400, measured=20)
    assert limit.value == pytest.approx(2 / 25, rel=0.02)
    assert training.steps == 3
    for was, now in zip(before, training.model.parameters(), strict=True):
        assert torch.equal(was, now)


def test_does_not_guess_far_beyond_what_was_probed():
    probes = {rate: np.array([[1.0, 0.5 * rate**0.3]] * 5) for rate in (0.5, 1.0)}
    limit = extrapolate(probes)
    assert math.isnan(limit.value)
    assert "too far to extrapolate" in limit.reason


@pytest.mark.parametrize("name", ["steps", "measured", "seeds"])
def test_numbers_too_small_are_said(name):
    with pytest.raises(UsageError, match=f"{name} is 0"):
        step_size_limit(noise_free(4), **{name: 0})


def test_rate_must_be_positive():
    def recipe(seed: int) -> Training:
        model = nn.Linear(1, 1)
        return Training(
            model, F.mse_loss, torch.optim.SGD(model.parameters(), lr=0.0), []
        )

    with pytest.raises(UsageError, match="learning rate is 0"):
        step_size_limit(recipe)


@pytest.mark.parametrize(
    "optimizer",
    [partial(torch.optim.SGD, lr=0.01, momentum=0.9), torch.optim.Adam],
    ids=["momentum", "Adam"],
)
def test_the_gauge_refuses_noisy_steps_that_carry_the_past(optimizer):
    """It would have told a fifth to fifty times the limit."""

    def recipe(seed: int) -> Training:
        model = nn.Sequential(nn.Linear(3, 1))
        x = torch.randn(64, 3)
        data = TensorDataset(x, torch.randn(64, 1))
        batches = DataLoader(data, batch_size=4, shuffle=True)
        return Training(model, nn.MSELoss(), optimizer(model.parameters()), batches)

    with pytest.raises(Unmeasurable, match="use method='probe'"):
        step_size_limit(recipe, method="gauge", steps=100, measured=20)
    assert step_size_limit(recipe, steps=100).method == "probe"
