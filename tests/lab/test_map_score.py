"""What a network is scored by does not depend on how its samples are cut."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import Training
from reluctant.lab._map_score import Scorer, Scores

torch.set_num_threads(1)

X = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
Y = torch.randint(3, (50,), generator=torch.Generator().manual_seed(1))
LOSSES = [
    (nn.MSELoss(reduction="sum"), F.one_hot(Y).float()),
    (nn.MSELoss(), F.one_hot(Y).float()),
    (nn.CrossEntropyLoss(), Y),
    (nn.CrossEntropyLoss(reduction="sum"), Y),
]


def score(loss, y, model=None) -> Scores:
    model = model or nn.Sequential(nn.Linear(4, 3))
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
            parameter.mul_(1 + i)
    loader = DataLoader(TensorDataset(X, y), batch_size=5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training = Training(model, loss, optimizer, loader)
    return Scorer(training).measure(training)


@pytest.mark.parametrize(("loss", "y"), LOSSES)
def test_chunks_are_as_good_as_batches(loss, y):
    own = score(lambda outputs, targets: loss(outputs, targets), y)
    assert tuple(score(loss, y)) == pytest.approx(tuple(own), rel=1e-5)
    share = torch.bincount(Y).max() / 50
    assert own.constant_score == pytest.approx(float(share))


def test_constant_predictors_in_closed_form():
    share = torch.bincount(Y).double() / 50
    entropy = -float((share * share.log()).sum())
    assert score(*LOSSES[2]).constant_loss == pytest.approx(entropy, rel=1e-5)
    gini = float((share * (1 - share)).sum())
    assert score(*LOSSES[0]).constant_loss == pytest.approx(5 * gini, rel=1e-5)


def test_silent_outputs_name_no_class():
    dead = nn.Sequential(nn.Linear(4, 3), nn.Hardtanh(5, 6))
    scores = score(*LOSSES[1], dead)
    assert scores.silent >= 1
    model = nn.Sequential(nn.Linear(4, 3), nn.Threshold(1e9, 0.0))
    assert score(*LOSSES[1], model).silent == 3
    assert score(*LOSSES[1], model).score == 0
    assert math.isfinite(score(*LOSSES[1], model).loss)
