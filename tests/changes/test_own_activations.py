"""Activations that the user wrote: operated on where they work on each number alone."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from changes.patients import Cube, Switch, bits, outputs, patient, train
from reluctant.changes import Context, DoesNotFit, Plain, apply, paths_of
from reluctant.records import (
    InsertActivation,
    RescaleUnits,
    ReviveOutputs,
    ReviveUnits,
    ScaleOutgoing,
    SplitUnits,
    StandardizeInput,
    StandardizeTarget,
    SwapActivation,
    UnboundOutputs,
    Widen,
)


class Net(nn.Module):
    """Two layers, and any function between, before and behind them."""

    def __init__(
        self,
        act: Callable[..., Any],
        *,
        before: Callable[..., Any] = lambda x: x,
        behind: Callable[..., Any] = lambda x: x,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)
        self.beta = nn.Parameter(torch.tensor(1.5))
        self.act, self.before, self.behind = act, before, behind

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(self.before(x))
        try:
            h = self.act(h)
        except TypeError:
            h = self.act(h, self)
        return self.behind(self.b(h))


def sick(model: nn.Module) -> tuple[Plain, Context]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    torch.manual_seed(1)
    batch = torch.randn(32, 4), torch.randn(32, 2)
    return Plain(model, nn.MSELoss(), optimizer), Context([batch])


def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def gelu(x: Tensor) -> Tensor:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + torch.tanh(inner))


POINTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "cube": lambda x: x**3,
    "switch": lambda x: torch.sigmoid(1000 * x),
    "cube module": Cube(),
    "switch module": Switch(4),
    "method": lambda x: x.mul(2).pow(2).neg(),
    "functions": lambda x: torch.rsub(torch.square(torch.abs(x)), 1),
    "clamped": lambda x: x.clamp(-1, 1) / 2,
    "sine": lambda x: torch.sin(30 * x) + 1,
    "bump": lambda x: torch.exp(-(x**2)),
    "softsign": lambda x: x / (1 + x.abs()),
    "inverse": lambda x: 1 / (1 + torch.exp(-x)),
    "swish": swish,
    "gelu": gelu,
    "leak": lambda x: torch.where(x > 0, x, 0.1 * x),
    "step": lambda x: (x > 0).float(),
    "mish": F.mish,
    "hardswish": F.hardswish,
    "softplus": lambda x: F.softplus(x, beta=3),
    "module": nn.Hardtanh(),
}


@pytest.mark.parametrize("act", POINTWISE)
def test_a_pointwise_activation_is_operated_on(act: str) -> None:
    model = Net(POINTWISE[act])
    one, context = sick(model)
    train(one, context.batches, 3)
    (path,) = paths_of(model)
    assert path.site == "a"
    assert path.bends
    before, kept = outputs(one, context.batches), bits(one)
    done = apply([Widen()], one, context)
    assert torch.allclose(before, outputs(one, context.batches), rtol=1e-5, atol=1e-6)
    done.undo()
    for new, function in (("elu", F.elu), ("linear", lambda x: x)):
        done = apply([SwapActivation(("a",), new)], one, context)  # type: ignore[arg-type]
        x, _ = context.batches[0]
        assert torch.equal(model(x), model.b(function(model.a(x))))
        train(one, context.batches, 3)
        done.undo()
        assert bits(one) == kept, new
    assert torch.equal(before, outputs(one, context.batches))


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda x: torch.softmax(x, dim=1), "softmax"),
        (lambda x: x.cumsum(dim=1), "cumsum"),
        (lambda x: x - x.mean(dim=1, keepdim=True), "mean"),
        (lambda x: x.flip(1), "flip"),
        (lambda x: x[:, :6], "an index"),
        (lambda x: x * x.sum(), "sum"),
        (lambda x: torch.sin(x) * torch.arange(6.0), "mul"),
        (lambda x, net: net.beta * x, "mul"),
        (lambda x, net: torch.sigmoid(x * net.beta), "mul"),
        (lambda x: torch.maximum(x, torch.zeros(6)), "maximum"),
        (lambda x: x + torch.randn_like(x), "randn_like"),
        (lambda x: x / x.shape[1], "truediv"),
        (nn.PReLU(), "PReLU"),
        (nn.Softmax(dim=1), "Softmax"),
    ],
)
def test_what_is_not_pointwise_is_refused(act: Callable[..., Any], what: str) -> None:
    one, context = sick(Net(act))
    before = bits(one)
    with pytest.raises(DoesNotFit, match=rf"{what}.* stands behind a"):
        apply([Widen(("a",))], one, context)
    assert bits(one) == before


@pytest.mark.parametrize(
    ("act", "passes"),
    [
        (lambda x: 2 * torch.relu(-x), True),
        (lambda x: F.leaky_relu(x, 0.2) / 3, True),
        (lambda x: torch.relu(x).abs(), True),
        (lambda x: torch.relu(x + 1), False),
        (lambda x: torch.relu(x) ** 2, False),
        (lambda x: 1 / (1 + torch.relu(x)), False),
        (lambda x: x * torch.relu(x), False),
        (Cube(), False),
        (Switch(), False),
    ],
)
def test_a_scale_passes_through_what_is_homogeneous_alone(
    act: Callable[..., Any], passes: bool
) -> None:
    one, context = sick(Net(act))
    before = outputs(one, context.batches)
    if passes:
        apply([RescaleUnits(("a",), 0.01)], one, context)
        assert torch.allclose(before, outputs(one, context.batches), rtol=1e-5)
    else:
        with pytest.raises(DoesNotFit, match="only through rectifiers"):
            apply([RescaleUnits(("a",), 0.01)], one, context)


def test_constant_units_of_a_switch_are_revived_and_copies_are_split() -> None:
    model = Net(Switch())
    one, context = sick(model)
    with torch.no_grad():
        model.a.bias[1], model.a.bias[4] = 30, -30  # always 1, always 0
        model.a.bias[2] = 30
        model.a.weight[3], model.a.bias[3] = model.a.weight[0], model.a.bias[0]
    before = outputs(one, context.batches)
    made = apply([ReviveUnits(), SplitUnits()], one, context).changes
    assert made == (ReviveUnits({"a": (1, 2, 4)}), SplitUnits({"a": (0, 3)}))
    assert torch.allclose(before, outputs(one, context.batches), rtol=1e-5, atol=1e-6)


def test_new_units_that_put_out_no_number_are_refused() -> None:
    model = Net(lambda x: torch.log(x))
    with torch.no_grad():
        model.a.weight.zero_()
        model.a.bias.fill_(2)
    one, context = sick(model)
    before = bits(one)
    with pytest.raises(DoesNotFit, match="moved them by nan"):
        apply([Widen()], one, context)
    assert bits(one) == before


def test_a_scale_alone_is_no_activation() -> None:
    model = Net(lambda x: 0.5 * x - 1)
    one, context = sick(model)
    with pytest.raises(DoesNotFit, match="no known activation"):
        apply([SwapActivation(("a",), "relu")], one, context)
    with pytest.raises(DoesNotFit, match="no hidden layer"):
        apply([ScaleOutgoing()], one, context)
    apply([InsertActivation()], one, context)
    x, _ = context.batches[0]
    assert torch.equal(model(x), model.b(0.5 * model.a(x).relu() - 1))


def test_a_scale_behind_a_norm_stays_where_the_activation_goes() -> None:
    model = nn.Sequential(
        nn.Linear(4, 6), Scaled(), nn.BatchNorm1d(6), Switch(), nn.Linear(6, 2)
    )
    one, context = sick(model)
    apply([SwapActivation((), "relu")], one, context)
    x, _ = context.batches[0]
    model.eval()
    assert torch.equal(model(x), model[4](model[2](2 * model[0](x)).relu()))


class Scaled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_an_activation_of_two_sources_is_not_swapped() -> None:
    model = Net(lambda x, net: x * net.drop(torch.sigmoid(x)))
    model.drop = nn.Dropout(0.1)
    one, context = sick(model)
    apply([Widen()], one, context).undo()
    with pytest.raises(DoesNotFit, match="not one function of one number"):
        apply([SwapActivation(("a",), "relu")], one, context)


def test_what_is_applied_to_the_data_or_the_outputs_is_not_folded_over() -> None:
    keeps = StandardizeInput(keep_function=True), StandardizeTarget(keep_function=True)
    for model, change in (
        (Net(torch.relu, before=lambda x: x / 255), keeps[0]),
        (Net(torch.relu, behind=lambda x: 10 * x), keeps[1]),
        (Net(torch.relu, behind=lambda x: 10 * torch.relu(x)), ReviveOutputs()),
    ):
        one, context = sick(model)
        before = bits(one)
        with pytest.raises(DoesNotFit):
            apply([change], one, context)
        assert bits(one) == before


def test_changes_to_a_rewritten_model_add_up() -> None:
    model = nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), Cube(), nn.Linear(5, 2), nn.Tanh()
    )
    one, context = sick(model)
    before = bits(one)
    x, _ = context.batches[0]
    done = apply([SwapActivation((), "elu"), UnboundOutputs()], one, context)

    def want(first: Callable[[Tensor], Tensor]) -> Tensor:
        return model[4](F.elu(model[2](first(model[0](x)))))

    assert torch.equal(model(x), want(F.elu))
    again = apply([SwapActivation(("0",), "gelu")], one, context)
    assert torch.equal(model(x), want(F.gelu))
    kept = outputs(one, context.batches)
    apply([Widen()], one, context)
    assert torch.allclose(kept, outputs(one, context.batches), rtol=1e-5, atol=1e-6)
    train(one, context.batches, 3)
    again.undo()
    done.undo()
    assert bits(one) == before


def test_a_module_used_in_between_functions_is_swapped_with_them() -> None:
    one, context = patient("inline")
    apply([SwapActivation((), "relu")], one, context)
    model, (x, _) = one.model, context.batches[0]
    hidden = F.max_pool2d(model.conv(x).relu(), 2).flatten(1)
    assert torch.equal(model(x), model.fc2(model.fc1(hidden).relu()))
