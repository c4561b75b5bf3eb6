"""The gauge of a whole training against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reluctant.lab import Training
from reluctant.lab.exams import gauge
from reluctant.lab.exams.step_gauge import ratio_interval
from reluctant.records import UsageError

torch.set_num_threads(1)


def least_squares(
    *, rate: float, size: int, momentum: float = 0.0
) -> tuple[Training, torch.Tensor, torch.Tensor]:
    """Linear, ½·mean squared error, one output."""
    numbers = torch.Generator().manual_seed(0)
    X = torch.randn(64, 5, generator=numbers, dtype=torch.float64)
    t = torch.randn(64, 1, generator=numbers, dtype=torch.float64)
    model = nn.Linear(5, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    batches = list(zip(X.split(size), t.split(size), strict=True))
    training = Training(model, lambda y, t: F.mse_loss(y, t) / 2, optimizer, batches)
    return training, X, t


def test_full_batch_along_the_top_eigenvector_is_rate_times_sharpness():
    training, X, _ = least_squares(rate=0.1, size=64)
    values, vectors = torch.linalg.eigh(X.T @ X / 64)
    training.batches = [(X, torch.zeros(64, 1, dtype=torch.float64))]
    with torch.no_grad():
        training.model.weight.copy_(vectors[None, :, -1])
    measured = gauge(training, batches=1)
    assert measured.value == pytest.approx(0.1 * float(values[-1]))
    assert all(math.isnan(end) for end in measured.interval)
    assert measured.learning_rate == 0.1


def test_minibatch_one_is_the_ratio_of_the_means():
    training, X, t = least_squares(rate=0.1, size=1)
    r = -t  # weights are zero
    gain = 0.1 * (r**2 * (X**2).sum(1, keepdim=True)).mean()
    curvature = 0.01 * (r**2 * (X**2).sum(1, keepdim=True) ** 2).mean()
    measured = gauge(training, batches=64)
    assert measured.gain == pytest.approx(float(gain))
    assert measured.value == pytest.approx(float(curvature / gain))
    low, high = measured.interval
    assert low < measured.value < high


def test_momentum_enters_the_step_and_the_training_stays_where_it_was():
    training, X, t = least_squares(rate=0.01, size=16, momentum=0.9)
    training.step(3)
    weight = training.model.weight.detach().clone()
    buffer = training.optimizer.state[training.model.weight]["momentum_buffer"]
    x, y = X[48:], t[48:]  # the batch whose turn it is
    g = (x.T @ (x @ weight.T - y) / 16)[:, 0]
    u = 0.01 * (0.9 * buffer[0] + g)
    measured = gauge(training, batches=1)
    assert measured.step == 3
    assert measured.gain == pytest.approx(float(g @ u))
    assert measured.curvature == pytest.approx(float(u @ x.T @ (x @ u) / 16))
    assert torch.equal(training.model.weight, weight)
    twin, _, _ = least_squares(rate=0.01, size=16, momentum=0.9)
    twin.step(3)
    assert training.step(5) == twin.step(5)


def test_interval_covers_the_true_ratio_at_its_level():
    numbers = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        under = numbers.exponential(size=200)
        over = 3 * under * numbers.exponential(size=200)  # heavy tails, ratio 3
        low, high = ratio_interval(over, under, resamples=300, seed=trial)
        hits += low < 3 < high
    assert 170 <= hits <= 200  # 95 % less what heavy tails cost


def test_nothing_to_gain_is_nan():
    training, X, _ = least_squares(rate=0.1, size=64)
    training.batches = [(X, torch.zeros(64, 1, dtype=torch.float64))]
    assert math.isnan(gauge(training, batches=2).value)


def test_no_batches():
    training, _, _ = least_squares(rate=0.1, size=64)
    with pytest.raises(UsageError, match="at least 1"):
        gauge(training, batches=0)
