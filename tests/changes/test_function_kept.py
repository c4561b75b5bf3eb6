"""What should keep the function keeps it, to rounding, and does what it is for."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from changes.patients import NETS, OPTIMIZERS, bits, kill, outputs, patient, train
from reluctant.changes import (
    Context,
    Plain,
    apply,
    dead_units,
    fold_standardization,
    merged_units,
)
from reluctant.records import (
    Prune,
    RescaleUnits,
    ReviveOutputs,
    ReviveUnits,
    SplitUnits,
    StandardizeInput,
    StandardizeTarget,
    Widen,
)

ROUNDING = 2e-6
READERS = {
    "mlp": ("2", "4"),
    "cnn": ("3", "6"),
    "functional": ("fc1", "fc2"),
    "own": ("2", "4"),
    "inline": ("fc1", "fc2"),
}
SITES = {
    "mlp": ("0", "2"),
    "cnn": ("0", "3"),
    "functional": ("conv", "fc1"),
    "own": ("0", "2"),
    "inline": ("conv", "fc1"),
}


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return float((a - b).abs().max()) <= ROUNDING * float(a.abs().max())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("net", NETS)
def test_revived_units_live_and_change_nothing(
    net: str, place: int, optimizer: str
) -> None:
    sick, context = patient(net, optimizer)
    site = SITES[net][place]
    kill(sick, site, [0, 2])
    assert {0, 2} <= set(dead_units(sick, context)[site])
    before = outputs(sick, context.batches)
    done = apply([ReviveUnits()], sick, context)
    assert {0, 2} <= set(done.changes[0].units[site])
    assert close(before, outputs(sick, context.batches))
    assert site not in dead_units(sick, context)
    train(sick, context.batches, 3)  # and what reads them begins to
    reader = READERS[net][place]
    weight = sick.model.get_submodule(reader).weight
    block = weight.shape[1] // sick.model.get_submodule(site).weight.shape[0]
    assert weight[:, :block].abs().max() > 0


def test_a_constant_that_a_dead_unit_adds_moves_to_the_bias() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(), nn.BatchNorm1d(6), nn.Linear(6, 2)
    )
    x = torch.randn(64, 4)
    with torch.no_grad():
        model[0].bias[1] = -50.0
        model[2].running_mean.uniform_(-1, 1)
        model[2].bias.uniform_(-1, 1)
    model.eval()
    sick = Plain(model, F.cross_entropy, torch.optim.SGD(model.parameters(), 0.1))
    context = Context([(x, torch.randint(2, (64,)))])
    before = outputs(sick, context.batches)
    done = apply([ReviveUnits()], sick, context)
    assert done.changes[0].units == {"0": (1,)}
    assert close(before, outputs(sick, context.batches))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_merged_units_are_split_and_stay_split(optimizer: str) -> None:
    sick, context = patient("mlp", optimizer)
    with torch.no_grad():
        layer, reader = sick.model[0], sick.model[2]
        layer.weight[5], layer.bias[5] = 3 * layer.weight[1], 3 * layer.bias[1]
        reader.weight[:, 5] = 0.7
    assert merged_units(sick, context, same=0.9999) == {"0": [(1, 5)]}
    before = outputs(sick, context.batches)
    apply([SplitUnits()], sick, context)
    assert close(before, outputs(sick, context.batches))
    assert "0" not in merged_units(sick, context, same=0.99)
    train(sick, context.batches, 20)
    assert "0" not in merged_units(sick, context, same=0.99)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("net", NETS)
def test_a_wider_net_is_the_same_function(net: str, optimizer: str) -> None:
    sick, context = patient(net, optimizer)
    before, size = (
        outputs(sick, context.batches),
        sum(p.numel() for p in sick.model.parameters()),
    )
    apply([Widen()], sick, context)
    assert close(before, outputs(sick, context.batches))
    assert sum(p.numel() for p in sick.model.parameters()) > 1.5 * size
    train(sick, context.batches, 3)
    assert not close(before, outputs(sick, context.batches))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rescaling_keeps_the_function_and_carries_the_moments(optimizer: str) -> None:
    sick, context = patient("mlp", optimizer)
    before = outputs(sick, context.batches)
    old = {
        k: {n: v.clone() for n, v in s.items() if torch.is_tensor(v)}
        for k, s in sick.optimizer.state.items()
    }
    weight = sick.model[0].weight
    was = weight.detach().clone()
    apply([RescaleUnits(("0",), 0.1)], sick, context)
    assert close(before, outputs(sick, context.batches))
    unit = torch.cat([weight, sick.model[0].bias[:, None]], dim=1).norm(dim=1)
    ratio = sick.model[2].weight.norm(dim=0) / unit
    assert ((ratio > 0.1 / 2.01) & (ratio < 0.1 * 2.01)).all()  # powers of two
    factor = (weight / was)[:, :1]
    for name, moment in old.get(weight, {}).items():
        if moment.shape == weight.shape:
            wanted = moment / (factor**2 if "sq" in name else factor)
            assert torch.allclose(sick.optimizer.state[weight][name], wanted, rtol=1e-6)


def test_the_gradient_after_rescaling_is_what_the_moments_say() -> None:
    sick, context = patient("mlp", "sgd")
    x, y = context.batches[0]

    def gradient() -> torch.Tensor:
        sick.model.zero_grad()
        sick.loss_fn(sick.model(x), y).backward()
        return sick.model[0].weight.grad.clone()

    first, was = gradient(), sick.model[0].weight.detach().clone()
    apply([RescaleUnits(("0",), 0.1)], sick, context)
    factor = sick.model[0].weight / was
    assert torch.allclose(gradient(), first / factor, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("net", ["mlp", "cnn"])
def test_scaling_of_the_input_folds_in_and_out(net: str) -> None:
    sick, context = patient(net)
    shifted = [(3 * x + 40, y) for x, y in context.batches]
    context = Context(shifted)
    before = outputs(sick, shifted)
    done = apply([StandardizeInput(keep_function=True)], sick, context)
    # the shift is 40 times what the outputs vary by: float32 keeps fewer digits
    assert float((before - outputs(sick, shifted)).abs().max()) < 1e-4 * float(
        before.abs().max()
    )
    done.undo()
    apply([StandardizeInput()], sick, context)
    train(sick, shifted, 3)
    learned = outputs(sick, shifted)
    assert not sick.model._forward_hooks
    assert fold_standardization(sick) == 1
    assert not sick.model._forward_pre_hooks
    assert float((learned - outputs(sick, shifted)).abs().max()) < 1e-4 * float(
        learned.abs().max()
    )


def test_scaling_of_the_target_folds_into_the_last_layer() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    x = torch.randn(128, 3)
    y = torch.stack([100 + 50 * x[:, 0], 0.01 * x[:, 1]], dim=1)
    sick = Plain(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 0.01))
    context = Context([(x, y)])
    before = outputs(sick, context.batches)
    apply([StandardizeTarget(keep_function=True)], sick, context).undo()
    apply([StandardizeTarget()], sick, context)
    after = outputs(sick, context.batches)
    assert (
        abs(float(after[:, 0].mean()) - 100)
        < 50
        < abs(float(before[:, 0].mean()) - 100)
    )
    train(sick, context.batches, 5)
    learned = outputs(sick, context.batches)
    assert fold_standardization(sick) == 1
    assert close(learned, outputs(sick, context.batches))


def test_pruning_finds_the_units_that_are_not_missed() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 9), nn.ReLU(), nn.Linear(9, 2))
    with torch.no_grad():  # three units do it all; the others repeat them or are mute
        model[0].weight[3:6], model[0].bias[3:6] = (
            model[0].weight[:3],
            model[0].bias[:3],
        )
        model[2].weight[:, 6:] = 0
    sick = Plain(model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 0.01))
    x = torch.randn(256, 3)
    context = Context([(x, torch.randn(256, 2))])
    train(sick, context.batches, 0)
    before = outputs(sick, context.batches)
    apply([Prune((), 1 / 3)], sick, context)
    assert model[0].weight.shape == (3, 3)
    assert model[2].weight.shape == (2, 3)
    assert float((before - outputs(sick, context.batches)).abs().max()) < 1e-3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_dead_outputs_start_over_and_the_others_stay(optimizer: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.ReLU())
    sick = Plain(model, nn.MSELoss(), OPTIMIZERS[optimizer](model.parameters()))
    x = torch.randn(256, 4)
    y = torch.stack([x[:, 0].abs(), x[:, 1].abs() + 1, x[:, 2].abs()], dim=1)
    context = Context([(x, y)])
    train(sick, context.batches, 5)
    with torch.no_grad():
        model[2].bias[1] = -50.0
    before = outputs(sick, context.batches)
    kept = bits(sick)
    done = apply([ReviveOutputs()], sick, context)
    assert done.changes == (ReviveOutputs({"2": (1,)}),)
    after = outputs(sick, context.batches)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert float(after[0, 1]) == pytest.approx(float(y[:, 1].mean()), rel=1e-5)
    train(sick, context.batches, 200)
    learned = outputs(sick, context.batches)[:, 1]
    assert float((learned - y[:, 1]).square().mean()) < 0.8 * float(y[:, 1].var())
    done.undo()
    assert bits(sick) == kept
