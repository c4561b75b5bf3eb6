"""A recipe at other widths, scales, activations and batch sizes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import Training
from reluctant.lab._map_settings import build_at
from reluctant.records import UsageError

torch.set_num_threads(1)


def plain(seed: int, *, std: float | None = None) -> Training:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 30), nn.ReLU(),
        nn.Linear(30, 3), nn.ReLU(),
    )  # fmt: skip
    if std is not None:
        for layer in (model[1], model[3], model[5]):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.8, weight_decay=1e-3, nesterov=True
    )
    data = TensorDataset(torch.randn(24, 6), torch.randn(24, 3))
    return Training(model, F.mse_loss, optimizer, DataLoader(data, 4, shuffle=True))


def own(seed: int, *, width: int = 3, batch_size: int = 2) -> Training:
    training = plain(seed)
    training.model.asked = (width, batch_size)
    return training


def test_width_redraws_as_torch_does_and_keeps_the_optimizer():
    training = build_at(plain, (("width", 400),), 0.2, 0)
    first, second, last = (training.model[i] for i in (1, 3, 5))
    assert first.weight.shape == (400, 6)
    assert second.weight.shape == (400, 400)
    assert last.weight.shape == (3, 400)
    bound = 1 / 400**0.5
    assert 0.95 * bound < float(second.weight.detach().abs().max()) <= bound
    (group,) = training.optimizer.param_groups
    assert {id(p) for p in group["params"]} == {
        id(p) for p in training.model.parameters()
    }
    options = [group[key] for key in ("lr", "momentum", "weight_decay", "nesterov")]
    assert options == [0.2, 0.8, 1e-3, True]
    losses = training.step(20)
    assert losses == build_at(plain, (("width", 400),), 0.2, 0).step(20)


def test_width_keeps_a_scale_that_is_the_recipes_own():
    training = build_at(lambda seed: plain(seed, std=0.01), (("width", 100),), None, 3)
    for index in (1, 3, 5):
        weight = training.model[index].weight.detach()
        assert float(weight.std()) == pytest.approx(0.01, rel=0.2)
        assert not training.model[index].bias.any()


def test_init_scale_and_activation_and_rate():
    before = build_at(plain, (), None, 1)
    setting = (("init_scale", 3.0), ("activation", "tanh"))
    after = build_at(plain, setting, 0.5, 1)
    assert torch.equal(after.model[3].weight, before.model[3].weight * 3)
    assert torch.equal(after.model[3].bias, before.model[3].bias)
    kinds = [type(after.model[i]) for i in (2, 4, 6)]
    assert kinds == [nn.Tanh, nn.Tanh, nn.ReLU]  # the head's stays
    assert after.optimizer.param_groups[0]["lr"] == 0.5
    after.step(2)


def test_groups_keep_their_ratio():
    def two(seed: int) -> Training:
        training = plain(seed)
        first, *rest = training.model.parameters()
        groups = [{"params": [first], "lr": 0.1}, {"params": rest, "lr": 0.02}]
        training.optimizer = torch.optim.SGD(groups)
        return training

    training = build_at(two, (), 0.5, 0)
    assert [group["lr"] for group in training.optimizer.param_groups] == [0.5, 0.1]
    with pytest.raises(UsageError, match="several groups"):
        build_at(two, (("width", 4),), 0.5, 0)


@pytest.mark.parametrize("as_list", [False, True])
def test_batch_size(as_list):
    def recipe(seed: int) -> Training:
        training = plain(seed)
        if as_list:
            training.batches = list(training.batches)
        return training

    training = build_at(recipe, (("batch_size", 10),), None, 0)
    assert [len(x) for x, _ in training.batches] == [10, 10, 4]
    training.step(5)


def test_what_the_function_takes_it_is_given():
    training = build_at(own, (("width", 7), ("init_scale", 2.0)), None, 0)
    assert training.model.asked == (7, 2)
    assert training.model[1].weight.shape == (20, 6)


@pytest.mark.parametrize(
    ("module", "setting", "reason"),
    [
        (nn.BatchNorm1d(20), ("width", 4), r"holds a BatchNorm1d.*make\(seed, width"),
        (nn.LSTM(3, 3), ("activation", "tanh"), "holds a LSTM"),
    ],
)
def test_what_cannot_be_done_is_refused(module, setting, reason):
    def recipe(seed: int) -> Training:
        training = plain(seed)
        training.model.append(module)
        return training

    with pytest.raises(UsageError, match=reason):
        build_at(recipe, (setting,), None, 0)


def test_own_batches_cannot_be_cut():
    def recipe(seed: int) -> Training:
        training = plain(seed)
        training.batches = (batch for batch in training.batches)
        return training

    with pytest.raises(UsageError, match=r"batch_size cannot be set.*generator"):
        build_at(recipe, (("batch_size", 2),), None, 0)
