"""Changes that take a fault off: made where there is one, else refused."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from changes.patients import bits
from reluctant.changes import Context, DoesNotFit, NothingToDo, Plain, apply
from reluctant.records import (
    AddParameters,
    Change,
    InsertActivation,
    Reinitialize,
    ScaleDropout,
    ScaleWeightDecay,
    SwapLoss,
    TrainMode,
    UnboundOutputs,
)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.log_softmax(torch.sigmoid(self.b(self.a(x))), dim=1)


def plain(model: nn.Module, decay: float = 0.0) -> Plain:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=decay)
    return Plain(model, nn.MSELoss(), optimizer)


def mlp(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), *more)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (mlp(nn.Softmax(dim=1)), UnboundOutputs()),
        (mlp(nn.ReLU(), nn.Sigmoid()), UnboundOutputs()),
        (Functional(), UnboundOutputs()),
        (Functional(), InsertActivation()),
        (mlp(nn.Dropout(0.5)), ScaleDropout(0.2)),
        (mlp(nn.BatchNorm1d(2)).eval(), TrainMode()),
    ],
)
def test_it_changes_what_it_should_and_is_undone(
    model: nn.Module, change: Change
) -> None:
    sick = plain(model)
    x = torch.randn(16, 3)
    before = bits(sick)
    torch.manual_seed(1)
    out = model(x)
    before = bits(sick)  # batch norm has seen a batch
    done = apply([change], sick)
    torch.manual_seed(1)
    assert not torch.equal(model(x), out)
    done.undo()
    assert bits(sick) == before


def test_free_outputs_are_what_the_last_layer_puts_out() -> None:
    model = Functional()
    x = torch.randn(4, 3)
    apply([UnboundOutputs()], plain(model))
    assert torch.equal(model(x), model.b(model.a(x)))


def test_a_bare_layer_is_rectified_and_the_head_is_not() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.Identity(), nn.Linear(5, 2))
    x = torch.randn(4, 3)
    want = model[2](model[0](x).relu())
    (made,) = apply([InsertActivation()], plain(model)).changes
    assert made == InsertActivation(("0",))
    assert torch.equal(model(x), want)


@pytest.mark.parametrize(
    "change",
    [
        UnboundOutputs(),
        InsertActivation(),
        ScaleDropout(0.2),
        ScaleWeightDecay(0.1),
        TrainMode(),
    ],
)
def test_there_is_nothing_to_do_without_the_fault(change: Change) -> None:
    sick = plain(mlp())
    before = bits(sick)
    with pytest.raises(NothingToDo):
        apply([change], sick)
    assert bits(sick) == before


def test_weight_decay_is_scaled_and_undone() -> None:
    sick = plain(mlp(), decay=0.5)
    done = apply([ScaleWeightDecay(0.1)], sick)
    assert sick.optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.05)
    done.undo()
    assert sick.optimizer.param_groups[0]["weight_decay"] == 0.5


def test_frozen_parameters_are_thawed_and_frozen_again() -> None:
    model = mlp().requires_grad_(False)
    model[2].requires_grad_(True)
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    sick = Plain(model, nn.MSELoss(), optimizer)
    done = apply([AddParameters(("0.weight", "0.bias"))], sick)
    assert model[0].weight.requires_grad
    assert len(optimizer.param_groups[0]["params"]) == 4
    done.undo()
    assert not model[0].weight.requires_grad
    assert len(optimizer.param_groups[0]["params"]) == 2


@pytest.mark.parametrize(
    ("width", "targets", "want"),
    [
        (2, torch.tensor([0, 1, 1, 0]), F.cross_entropy),
        (2, torch.eye(2)[[0, 1, 1, 0]], F.cross_entropy),
        (1, torch.tensor([0.0, 1, 1, 0]), F.binary_cross_entropy_with_logits),
        (1, torch.tensor([[-1.0], [1], [1], [-1]]), F.binary_cross_entropy_with_logits),
        (1, torch.tensor([0.3, 1, 2, 0]), F.mse_loss),
    ],
    ids=["classes", "rows", "yes-no", "signs", "numbers"],
)
def test_the_loss_that_suits_is_told_from_the_targets(
    width: int, targets: Tensor, want: object
) -> None:
    model = nn.Linear(3, width)
    sick = plain(model)
    x = torch.randn(4, 3)
    apply([SwapLoss("suited")], sick, Context([(x, targets)]))
    z = model(x)
    if want is F.binary_cross_entropy_with_logits:
        truth = (targets > 0).float().reshape(4, 1)
    elif want is F.mse_loss:
        truth = targets.reshape(4, 1)
    else:
        truth = targets
    assert sick.loss_fn(z, targets).item() == pytest.approx(want(z, truth).item())


def test_outputs_and_targets_that_do_not_go_together_are_refused() -> None:
    sick = plain(nn.Linear(3, 4))
    batch = torch.randn(4, 3), torch.randn(4, 3)
    with pytest.raises(DoesNotFit, match="do not go together"):
        apply([SwapLoss("suited")], sick, Context([batch]))


def test_recurrent_weights_are_drawn_to_keep_the_length_of_the_state() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = nn.LSTM(2, 6, batch_first=True), nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.lstm(x)[0][:, -1])

    sick = plain(Net())
    before = bits(sick)
    batch = torch.randn(8, 5, 2), torch.randn(8, 1)
    done = apply([Reinitialize((), "lsuv")], sick, Context([batch]))
    for gate in sick.model.lstm.weight_hh_l0.split(6):
        assert torch.allclose(gate @ gate.T, torch.eye(6), atol=1e-5)
    done.undo()
    assert bits(sick) == before


def test_weights_that_no_layer_holds_are_drawn_by_their_shape() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.ParameterList([torch.randn(400, 300), torch.randn(2, 400)])

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(F.relu(F.linear(x, self.w[0])), self.w[1])

    sick = plain(Bare())
    (made,) = apply([Reinitialize((), "he")], sick).changes
    assert made == Reinitialize(("w.0", "w.1"), "he")
    assert sick.model.w[0].std().item() == pytest.approx((2 / 300) ** 0.5, rel=0.05)
