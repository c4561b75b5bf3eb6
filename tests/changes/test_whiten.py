"""White inputs: what they are, what is refused, and what descent makes of them."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from changes.patients import bits, outputs, train
from reluctant.changes import Context, DoesNotFit, Plain, apply, fold_standardization
from reluctant.changes._whiten import WhitenedInput
from reluctant.records import StandardizeInput, WhitenInput

ROWS = 400


def alike(apart: float, *, columns: int = 6, shift: float = 0.0) -> Tensor:
    """Columns that differ by `apart` of what they share."""
    torch.manual_seed(0)
    return shift + torch.randn(ROWS, 1) + apart * torch.randn(ROWS, columns)


def linear(x: Tensor, model: nn.Module | None = None) -> tuple[Plain, Context]:
    model = model or nn.Linear(x.shape[1], 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    return Plain(model, F.mse_loss, optimizer), Context([(x, torch.zeros(len(x), 1))])


def read(sick: Plain, x: Tensor) -> Tensor:
    """What the first layer reads."""
    (hook,) = sick.model._forward_pre_hooks.values()
    assert isinstance(hook, WhitenedInput)
    return hook.scaled(x)


def covariance(x: Tensor) -> Tensor:
    x = x.double() - x.double().mean(0)
    return x.T @ x / len(x)


@pytest.mark.parametrize("apart", [1.0, 0.03, 3e-4])
@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_what_the_first_layer_reads_is_white(apart: float, shift: float) -> None:
    x = alike(apart, shift=shift)
    sick, context = linear(x)
    apply([WhitenInput()], sick, context)
    found = read(sick, x)
    assert found.dtype == x.dtype
    assert float(found.mean(0).abs().max()) < 1e-3
    assert torch.allclose(covariance(found), torch.eye(6).double(), atol=1e-3)


def test_columns_stay_as_like_themselves_as_white_ones_can() -> None:
    x = torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(0))
    x = x @ torch.tensor(
        [[1.0, 0.5, 0, 0], [0, 1, 0.5, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]]
    )
    sick, context = linear(x)
    apply([WhitenInput()], sick, context)
    z = (x - x.mean(0)) / x.std(0, unbiased=False)
    shared = (z.T @ read(sick, x) / ROWS).double()
    # the best is the trace of the root of the correlations, which is the nuclear norm
    roots = torch.linalg.eigvalsh(covariance(z)).sqrt()
    assert float(shared.trace()) == pytest.approx(float(roots.sum()), rel=1e-5)


def test_the_unit_of_a_column_does_not_matter() -> None:
    x = alike(0.1)
    sick, context = linear(x)
    apply([WhitenInput()], sick, context)
    units = torch.tensor([1e3, 1e-2, 1.0, 30.0, 1e-3, 7.0])
    other, scaled = linear(x * units)
    apply([WhitenInput()], other, scaled)
    assert torch.allclose(read(sick, x), read(other, x * units), atol=1e-3)


def test_directions_of_nothing_but_rounding_are_not_made_larger() -> None:
    x = alike(1.0, columns=3)
    total = x.sum(1, keepdim=True)
    x = torch.cat([x, total, x[:, :1] / 3 + 1, torch.full((ROWS, 1), 2.0)], 1)
    sick, context = linear(x)
    apply([WhitenInput()], sick, context)
    spread = torch.linalg.eigvalsh(covariance(read(sick, x)))
    assert torch.allclose(spread[-3:], torch.ones(3).double(), atol=1e-3)
    assert float(spread[:3].max()) < 1e-9
    off = x.clone()
    off[:, 3] += 0.5  # a row that breaks the rule of the others is not thrown far out
    assert float((read(sick, off) - read(sick, x)).abs().max()) < 1


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (torch.randn(64, 1, 4, 4), "no table"),
        (torch.randn(64), "no table"),
        (torch.randint(9, (64, 4)), "floating-point"),
        (torch.randn(3000, 300), "at most 256"),
        (torch.randn(30, 4), "40 needed"),
        (torch.full((64, 4), float("nan")), "nan or inf"),
        (torch.ones(64, 4), "constant"),
    ],
)
def test_what_cannot_be_whitened_is_refused(x: Tensor, reason: str) -> None:
    sick, _ = linear(torch.randn(2, 4))
    before = bits(sick)
    with pytest.raises(DoesNotFit, match=reason):
        apply([WhitenInput()], sick, Context([(x, torch.zeros(len(x), 1))]))
    assert bits(sick) == before


def test_descent_takes_the_steps_that_theory_says() -> None:
    x = alike(0.03).double()
    true = torch.tensor([[20.0], [-20], [10], [-10], [15], [-15]]).double()
    y, rate, steps = x @ true + 3, 0.05, 100

    def rest(sick: Plain) -> float:
        batches = [(x, y)]
        train(sick, batches, steps)
        return float((outputs(sick, batches) - y).square().mean())

    plain, _ = linear(x, nn.Linear(6, 1).double())
    white, context = linear(x, copy.deepcopy(plain.model))
    apply([WhitenInput()], white, context)
    begin = float((outputs(white, [(x, y)]) - y).square().mean())
    # the curvature of a mean square on white inputs is 2 along all directions
    assert rest(white) == pytest.approx(begin * (1 - 2 * rate) ** (2 * steps), rel=1e-6)
    assert rest(plain) > 0.5 * float(y.var())


def mlp(*, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8, bias=bias), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.parametrize("make", [mlp, lambda: nn.Linear(6, 1)], ids=["mlp", "linear"])
def test_whitening_folds_in_and_out(make) -> None:  # type: ignore[no-untyped-def]
    x = alike(0.03, shift=1.0)
    sick, context = linear(x, make())
    before = outputs(sick, [(x, None)])
    kept = bits(sick)
    done = apply([WhitenInput(keep_function=True)], sick, context)
    assert torch.allclose(before, outputs(sick, [(x, None)]), atol=1e-5)
    done.undo()
    assert bits(sick) == kept
    apply([WhitenInput()], sick, context)
    train(sick, [(x, x[:, :1] - x[:, 1:2])], 20)
    learned = outputs(sick, [(x, None)])
    assert fold_standardization(sick) == 1
    assert not sick.model._forward_pre_hooks
    scale = float(learned.std())
    assert float((outputs(sick, [(x, None)]) - learned).abs().max()) < 1e-3 * scale


def test_two_scalings_in_a_row_are_measured_and_folded_in_order() -> None:
    x = 40 + 10 * alike(0.3)
    sick, context = linear(x, mlp())
    apply([StandardizeInput()], sick, context)
    apply([WhitenInput()], sick, context)
    for hook in sick.model._forward_pre_hooks.values():
        x = hook.scaled(x)
    assert torch.allclose(covariance(x), torch.eye(6).double(), atol=1e-4)
    x = context.batches[0][0]
    learned = outputs(sick, [(x, None)])
    assert fold_standardization(sick) == 2
    assert torch.allclose(outputs(sick, [(x, None)]), learned, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "apart", "reason"),
    [(mlp(bias=False), 0.1, "no bias"), (mlp(), 1e-5, "whiten the data instead")],
)
def test_what_cannot_be_folded_is_left_as_it_is(
    model: nn.Module, apart: float, reason: str
) -> None:
    x = alike(apart)
    sick, context = linear(x, model)
    apply([WhitenInput()], sick, context)
    before = bits(sick)
    with pytest.raises(DoesNotFit, match=reason):
        fold_standardization(sick)
    assert bits(sick) == before


def test_autocast_does_not_blur_what_sets_columns_apart() -> None:
    x = alike(0.01)
    sick, context = linear(x)
    apply([WhitenInput()], sick, context)
    with torch.autocast("cpu", torch.bfloat16):
        found = read(sick, x)
    assert torch.equal(found, read(sick, x))
