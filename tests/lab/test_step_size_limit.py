"""The limit where it is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reluctant.lab import Training
from reluctant.lab._step_size_limit import extrapolate, find_limit, step_size_limit
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
    assert limit.interval == pytest.approx((1 / 9, 1 / 9))
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
    assert high / low > 1.05


def test_quadratic_has_the_limit_of_the_textbook():
    """Full-batch descent on ½λx²: 2/λ, whatever the rate."""

    def recipe(seed: int) -> Training:
        model = nn.Linear(1, 1, bias=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        batches = [(torch.tensor([[2.0]]), torch.tensor([[1.0]]))]  # λ = 4 at ½·mse
        return Training(model, lambda y, t: F.mse_loss(y, t) / 2, optimizer, batches)

    limit = step_size_limit(recipe, steps=4, measured=2)
    assert limit.value == pytest.approx(0.5, rel=1e-3)
    assert limit.exponent == pytest.approx(1.0)


def test_rate_must_be_positive():
    def recipe(seed: int) -> Training:
        model = nn.Linear(1, 1)
        return Training(
            model, F.mse_loss, torch.optim.SGD(model.parameters(), lr=0.0), []
        )

    with pytest.raises(UsageError, match="learning rate is 0"):
        step_size_limit(recipe)
