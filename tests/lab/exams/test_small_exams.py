"""The exams that count, replicate, rehearse and learn by heart, on known answers."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import Training
from reluctant.lab.exams import (
    data_pass,
    loss_replication,
    one_batch_overfit,
    rehearsal,
    unit_census,
)
from reluctant.probes._update import Unmeasurable
from reluctant.records import UsageError
from reluctant.records.quantities import FIRING_RATE, LOSS, STEP_GAIN

torch.set_num_threads(1)


def training(model: nn.Module, loss_fn, batches, *, lr: float = 0.05) -> Training:
    return Training(model, loss_fn, torch.optim.SGD(model.parameters(), lr=lr), batches)


def two_layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def batch(n: int = 24):
    numbers = torch.Generator().manual_seed(2)
    return (
        torch.randn(n, 6, generator=numbers),
        torch.randint(3, (n,), generator=numbers),
    )


# --- replication


@pytest.mark.parametrize(("reduction", "ratio"), [("mean", 1.0), ("sum", 2.0)])
def test_replication_tells_sum_from_mean(reduction, ratio):
    def loss(y, t):
        return F.cross_entropy(y, t, reduction=reduction)

    assert loss_replication(training(two_layers(), loss, [batch()])) == pytest.approx(
        ratio
    )


def test_replication_by_hand_and_over_positions():
    def by_hand(y, t):
        return ((y - t) ** 2).sum() / 2

    x = torch.randn(8, 5, 6)
    model = nn.Sequential(nn.Linear(6, 3), nn.Flatten(0, 1))
    found = training(model, by_hand, [(x, torch.randn(40, 3))])
    assert loss_replication(found) == pytest.approx(2)


def test_replication_of_what_compares_samples_is_neither():
    def contrast(y, t):
        return F.cross_entropy(y @ y.T, torch.arange(len(y)))

    ratio = loss_replication(training(two_layers(), contrast, [batch()]))
    assert ratio not in (pytest.approx(1, abs=1e-3), pytest.approx(2, abs=1e-3))
    with pytest.raises(Unmeasurable, match=r"is -?0"):
        loss_replication(training(two_layers(), lambda y, t: 0 * y.sum(), [batch()]))


# --- the census


def test_census_counts_what_a_slow_count_gives():
    model = two_layers()
    model[0].bias.data[3] = -100.0
    x, y = batch(50)
    batches = list(zip(x.split(8), y.split(8), strict=True))
    found = unit_census(training(model, F.cross_entropy, batches))
    z = model[0](x).detach()
    assert found.samples == 50
    assert found.is_whole
    assert np.array_equal(found.fired["0"], (z > 0).sum(0).numpy())
    assert np.allclose(found.highest["0"], z.amax(0).numpy(), atol=1e-6)
    assert found.silent.keys() == {"0"}
    assert 3 in found.silent["0"]


def test_census_of_channels_counts_samples_not_positions():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    x = torch.randn(20, 1, 6, 6)
    loader = DataLoader(TensorDataset(x, torch.zeros(20, dtype=torch.long)), 7)
    found = unit_census(training(model, F.cross_entropy, loader))
    z = model[0](x).detach()
    assert np.array_equal(found.fired["0"], (z > 0).flatten(2).any(2).sum(0).numpy())
    assert found.rows == {"0": 20}


def test_census_in_part_and_of_nothing():
    model, (x, y) = two_layers(), batch(64)
    batches = list(zip(x.split(1), y.split(1), strict=True))
    part = unit_census(training(model, F.cross_entropy, batches), seconds=0.0)
    assert part.samples == 1
    assert not part.is_whole
    none = unit_census(training(nn.Linear(6, 3), F.cross_entropy, batches))
    assert none.fired == {}


# --- the data


def test_data_are_counted():
    x, y = batch(50)
    x[3, 2] = math.nan
    loader = DataLoader(TensorDataset(x, y), 8, shuffle=True)
    found = data_pass(training(two_layers(), F.cross_entropy, loader))
    assert (found.batches, found.samples, found.is_whole) == (7, 50, True)
    assert found.nonfinite == 1
    assert found.low == pytest.approx(float(x[x.isfinite()].min()))
    assert found.classes == {i: int((y == i).sum()) for i in range(3)}
    assert "(8, 6) float32" in found.inputs
    with pytest.raises(UsageError, match="is empty"):
        data_pass(training(two_layers(), F.cross_entropy, []))


# --- the first steps


def test_rehearsal_looks_at_every_step_and_stops_where_asked():
    model, (x, y) = two_layers(), batch(64)
    centers = torch.randn(3, 6, generator=torch.Generator().manual_seed(4))
    x = x + 3 * centers[y]
    batches = list(zip(x.split(16), y.split(16), strict=True))
    before = [p.detach().clone() for p in model.parameters()]
    found = rehearsal(training(model, F.cross_entropy, batches), steps=30)
    assert found.steps == 30
    assert len(found.trace.series(LOSS).values) == 30
    assert len(found.trace.units(FIRING_RATE, "0").steps) == 30
    assert len(found.trace.series(STEP_GAIN).values) >= 10
    assert all(
        torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)
    )
    assert found.training.steps == 30


def test_rehearsal_has_patience_with_a_slow_start_alone():
    slow = training(two_layers(), F.cross_entropy, [batch(64)], lr=1e-6)
    assert rehearsal(slow, steps=20, patience=3).steps == 60


def test_rehearsal_ends_when_the_loss_is_lost():
    lost = training(two_layers(), F.cross_entropy, [batch(64)], lr=1e30)
    assert rehearsal(lost, steps=100).steps < 30


def test_rehearsal_says_what_stopped_it():
    x, y = batch(8)
    given = [(x, y), (x, y + 7)]
    found = rehearsal(training(two_layers(), F.cross_entropy, given), steps=10)
    assert found.steps == 1
    assert "out of bounds" in found.stopped


# --- by heart


def test_few_samples_are_learnt_by_heart():
    found = one_batch_overfit(training(two_layers(), F.cross_entropy, [batch()]))
    assert found.skill > 0.5
    assert found.is_done
    # as many of each class as there can be: the constant's loss is their entropy
    assert found.constant == pytest.approx(math.log(3), rel=0.1)
    assert found.floor == pytest.approx(0.0, abs=0.01)


def test_a_rate_that_is_merely_small_is_not_the_network():
    found = one_batch_overfit(
        training(two_layers(), F.cross_entropy, [batch()], lr=1e-9)
    )
    assert abs(found.own) < 1
    assert found.skill > 0.5
    assert len(found.attempts) > 1


def test_what_cannot_be_learnt_is_not():
    model = two_layers()
    model[0].bias.data.fill_(-1000.0)
    found = one_batch_overfit(training(model, F.cross_entropy, [batch()]))
    assert found.skill < 0.02
    assert len(found.attempts) == 5
    assert found.is_done


def test_dropout_that_keeps_it_from_learning_is_told_apart():
    model = nn.Sequential(two_layers(), nn.Dropout(0.999))
    found = one_batch_overfit(training(model, F.cross_entropy, [batch()]))
    assert found.skill < 0.3
    assert found.without_dropout > 0.5


def test_the_scale_of_the_targets_is_not_the_network():
    x, _ = batch()
    t = torch.randn(24, 1, generator=torch.Generator().manual_seed(1)) * 1e4 + 2e5
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 1))
    found = one_batch_overfit(training(model, F.mse_loss, [(x, t)], lr=1e-12))
    variance = float((t - t.mean()).square().mean())
    assert found.samples == 24
    assert found.constant == pytest.approx(variance, rel=1e-3)
    assert found.floor < 1e-3 * variance
    assert found.skill > 0.5


def test_a_network_with_few_parameters_gets_few_samples():
    x, t = torch.randn(64, 1), torch.randn(64, 1)
    found = one_batch_overfit(training(nn.Linear(1, 1), F.mse_loss, [(x, t)]))
    assert found.samples == 2
    assert found.freedom == 1.0


def test_smoothed_targets_have_a_floor():
    x, _ = batch()
    soft = (torch.rand(24, 3) > 0.5).float() * 0.8 + 0.1
    model = nn.Sequential(two_layers(), nn.Sigmoid())
    found = one_batch_overfit(training(model, F.binary_cross_entropy, [(x, soft)]))
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert found.floor == pytest.approx(entropy, rel=0.01)
    assert found.constant > found.floor


def test_small_batches_are_put_together():
    x, y = batch(48)
    batches = list(zip(x.split(1), y.split(1), strict=True))
    found = one_batch_overfit(training(two_layers(), F.cross_entropy, batches))
    assert found.samples == 32
    assert found.skill > 0.5


def test_samples_on_another_axis_stay_whole():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(4, 16), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.rnn(x)[0][-1])  # (time, samples, features)

    batches = [(torch.randn(7, 12, 4), torch.randint(3, (12,))) for _ in range(6)]
    torch.manual_seed(0)
    found = one_batch_overfit(training(Recurrent(), F.cross_entropy, batches))
    assert found.skill > 0.5


def test_targets_that_do_not_differ_say_nothing():
    x, _ = batch()
    same = torch.zeros(24, dtype=torch.long)
    with pytest.raises(Unmeasurable, match="lowest loss that any"):
        one_batch_overfit(training(two_layers(), F.cross_entropy, [(x, same)]))
    with pytest.raises(Unmeasurable, match="no lower end"):
        one_batch_overfit(training(two_layers(), lambda y, t: y.sum(), [batch()]))
    frozen = two_layers().requires_grad_(False)
    frozen[0].weight.requires_grad_()
    sgd = torch.optim.SGD(frozen[2:].parameters(), lr=0.1)
    with pytest.raises(Unmeasurable, match="no parameter"):
        one_batch_overfit(Training(frozen, F.cross_entropy, sgd, [batch()]))
