"""The next update against the real step; the gauge against closed forms."""

import copy
import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.checkpoint import checkpoint

from reluctant.probes._update import Unmeasurable, next_update
from reluctant.probes.step_gauge import step_terms

torch.set_num_threads(1)
O = torch.optim  # noqa: E741
OPTIMIZERS = {
    "sgd": lambda p: O.SGD(p, lr=0.1),
    "momentum": lambda p: O.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "nesterov": lambda p: O.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "decay": lambda p: O.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.01),
    "maximize": lambda p: O.SGD(p, lr=0.1, maximize=True),
    "adam": lambda p: O.Adam(p, lr=0.01, weight_decay=0.1),
    "amsgrad": lambda p: O.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: O.AdamW(p, lr=0.01),
    "adam-foreach": lambda p: O.Adam(p, lr=0.01, foreach=True),
    "adam-fused": lambda p: O.Adam(p, lr=0.01, fused=True),
    "adam-tensor-lr": lambda p: O.Adam(p, lr=torch.tensor(0.01)),
    "rmsprop": lambda p: O.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: O.Adagrad(p, lr=0.1),
    "nadam": lambda p: O.NAdam(p, lr=0.01),
    "radam": lambda p: O.RAdam(p, lr=0.01),
    "adamax": lambda p: O.Adamax(p, lr=0.01),
    "adadelta": lambda p: O.Adadelta(p, lr=0.5),
    "asgd": lambda p: O.ASGD(p, lr=0.1),
    "rprop": lambda p: O.Rprop(p, lr=0.01),
}


def parameters(dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    random_numbers = torch.Generator().manual_seed(0)
    return [
        nn.Parameter(torch.randn(shape, generator=random_numbers, dtype=dtype))
        for shape in [(3, 2), (3,), ()]
    ]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("history", [0, 1, 7])
def test_next_update_is_what_the_real_step_subtracts(make, history):
    params = parameters()
    optimizer = make(params)
    random_numbers = torch.Generator().manual_seed(1)
    for step in range(history + 1):
        for p in params:
            p.grad = torch.randn(p.shape, generator=random_numbers, dtype=p.dtype)
        if step < history:
            optimizer.step()
    before = [p.detach().clone() for p in params]
    state = copy.deepcopy(optimizer.state_dict())
    update = next_update(optimizer, {p: p.grad for p in params})
    assert all(torch.equal(p, old) for p, old in zip(params, before, strict=True))
    assert same(state, optimizer.state_dict())
    optimizer.step()
    for p, old in zip(params, before, strict=True):
        # to rounding in the last bits: fused and foreach order their sums otherwise
        torch.testing.assert_close(update[p], old - p, rtol=1e-9, atol=1e-15)
        if make in (OPTIMIZERS["sgd"], OPTIMIZERS["nesterov"], OPTIMIZERS["adamw"]):
            assert torch.equal(update[p], old - p)


def same(a: object, b: object) -> bool:
    """Equality as bytes, through dicts and lists."""
    if isinstance(a, torch.Tensor):
        return (
            isinstance(b, torch.Tensor)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
        )
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.tobytes() == b.tobytes()
    return a == b or (a != a and b != b)


def test_closed_forms():
    p = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    g = torch.tensor([3.0], dtype=torch.float64)
    sgd = O.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.5)
    assert next_update(sgd, {p: g})[p].item() == pytest.approx(0.1 * (3 + 0.5 * 2))
    p.grad = g.clone()
    sgd.step()  # buffer 4, p 1.6
    assert next_update(sgd, {p: g})[p].item() == pytest.approx(
        0.1 * (0.9 * 4 + 3 + 0.5 * 1.6)
    )
    nesterov = O.SGD([p], lr=0.1, momentum=0.9, nesterov=True)
    assert next_update(nesterov, {p: g})[p].item() == pytest.approx(0.1 * (3 + 2.7))
    adam = O.Adam([p], lr=0.1, eps=1e-8)  # the first step is lr·sign(g)
    assert next_update(adam, {p: g})[p].item() == pytest.approx(0.1, rel=1e-8)
    adamw = O.AdamW([p], lr=0.1, weight_decay=0.5)
    assert next_update(adamw, {p: g})[p].item() == pytest.approx(
        0.1 + 0.1 * 0.5 * p.item()
    )


def test_hooks_schedulers_and_counters_do_not_notice():
    p = nn.Parameter(torch.ones(2))
    optimizer = O.SGD([p], lr=0.1)
    calls: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("local"))
    optimizer.register_step_post_hook(lambda *_: calls.append("local"))
    handles = [
        register_optimizer_step_pre_hook(lambda *_: calls.append("global")),
        register_optimizer_step_post_hook(lambda *_: calls.append("global")),
    ]
    O.lr_scheduler.StepLR(optimizer, 1)  # patches optimizer.step
    counted = getattr(optimizer, "_opt_called", None)
    try:
        next_update(optimizer, {p: torch.ones(2)})
        assert calls == []
        assert getattr(optimizer, "_opt_called", None) == counted
        p.grad = torch.ones(2)
        optimizer.step()
        assert sorted(calls) == ["global", "global", "local", "local"]
    finally:
        for handle in handles:
            handle.remove()


def test_subclass_that_steps_through_super_and_draws_random_numbers():
    class Noisy(O.SGD):
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.add_(torch.randn_like(p) + random.random())

    calls: list[int] = []
    p = nn.Parameter(torch.ones(2))
    handle = register_optimizer_step_pre_hook(lambda *_: calls.append(1))
    state = torch.get_rng_state(), random.getstate()
    try:
        next_update(Noisy([p], lr=0.1), {p: torch.ones(2)})
    finally:
        handle.remove()
    assert not calls
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert torch.equal(p, torch.ones(2))


def test_optimizer_around_another_leaves_the_inner_one_alone():
    class Lookahead(O.Optimizer):
        def __init__(self, inner):
            self.inner = inner
            super().__init__(inner.param_groups[0]["params"], {})

        def step(self, closure=None):
            self.inner.step()

    p = nn.Parameter(torch.ones(2))
    inner = O.SGD([p], lr=0.1, momentum=0.9)
    update = next_update(Lookahead(inner), {p: torch.full((2,), 2.0)})
    assert torch.equal(p, torch.ones(2))
    assert not inner.state
    assert set(update) == {p}


def test_parameters_without_gradient_or_outside_are_left_out():
    mine, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    optimizer = O.Adam([{"params": [mine]}, {"params": [other], "lr": 1.0}], lr=0.1)
    for p in (mine, other):
        p.grad = torch.ones_like(p)
    optimizer.step()
    stranger = nn.Parameter(torch.ones(1))
    update = next_update(optimizer, {mine: torch.ones(2), stranger: torch.ones(1)})
    assert set(update) == {mine}


def test_half_precision_parameters_give_float64_updates():
    p = nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    update = next_update(O.SGD([p], lr=1e-4), {p: torch.ones_like(p)})[p]
    assert update.tolist() == pytest.approx([1e-4, 1e-4])


def test_lbfgs_is_unmeasurable():
    p = nn.Parameter(torch.ones(2))
    with pytest.raises(Unmeasurable, match=r"LBFGS.*closure"):
        next_update(O.LBFGS([p]), {p: torch.ones(2)})


def test_broken_optimizer_is_unmeasurable():
    class Broken(O.SGD):
        def step(self, closure=None):
            raise KeyError("state lost")

    p = nn.Parameter(torch.ones(2))
    with pytest.raises(Unmeasurable, match=r"Broken.*state lost"):
        next_update(Broken([p], lr=0.1), {p: torch.ones(2)})


# --- the gauge


def test_quadratic():
    numbers = torch.Generator().manual_seed(0)
    A = torch.randn(5, 5, generator=numbers, dtype=torch.float64)
    A = A @ A.T
    p = nn.Parameter(torch.randn(5, generator=numbers, dtype=torch.float64))
    terms = step_terms(0.5 * p @ A @ p, [p], O.SGD([p], lr=0.03))
    g = (A @ p).detach()
    assert terms.gauge == pytest.approx(float(0.03 * (g @ A @ g) / (g @ g)), rel=1e-12)
    top = torch.linalg.eigh(A).eigenvectors[:, -1]
    with torch.no_grad():
        p.copy_(top)  # along the top eigenvector G is η·λmax
    terms = step_terms(0.5 * p @ A @ p, [p], O.SGD([p], lr=0.03))
    assert terms.gauge == pytest.approx(
        0.03 * float(torch.linalg.eigvalsh(A)[-1]), rel=1e-9
    )


def test_linear_least_squares_with_known_updates():
    numbers = torch.Generator().manual_seed(0)
    X = torch.randn(7, 4, generator=numbers, dtype=torch.float64)
    t = torch.randn(7, 1, generator=numbers, dtype=torch.float64)
    model = nn.Linear(4, 1, bias=False, dtype=torch.float64)
    H = 2 * X.T @ X / 7
    g = (2 * X.T @ (X @ model.weight.T - t) / 7).detach()[:, 0]
    m = torch.randn(4, generator=numbers, dtype=torch.float64)
    momentum = O.SGD(model.parameters(), lr=0.1, momentum=0.9)
    momentum.state[model.weight]["momentum_buffer"] = m[None].clone()
    adam = O.Adam(model.parameters(), lr=0.1)
    known = {momentum: 0.1 * (0.9 * m + g), adam: 0.1 * g / (g.abs() + 1e-8)}
    for optimizer, u in known.items():
        terms = step_terms(F.mse_loss(model(X), t), list(model.parameters()), optimizer)
        assert terms.gain == pytest.approx(float(g @ u), rel=1e-10)
        assert terms.curvature == pytest.approx(float(u @ H @ u), rel=1e-10)


def mlp(act: type[nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 9), act(), nn.Linear(9, 9), act(), nn.Linear(9, 4)
    )


NETS = {
    "tanh": (lambda: mlp(nn.Tanh), (5, 6)),
    "relu": (lambda: mlp(nn.ReLU), (5, 6)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),
            nn.Linear(48, 4),
        ),
        (5, 1, 6, 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("loss", [F.cross_entropy, F.mse_loss], ids=["ce", "mse"])
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
@pytest.mark.parametrize("kind", ["sgd", "nesterov", "adamw"])
def test_finite_differences_of_the_real_loss(net, loss, kind):
    torch.manual_seed(3)
    make, shape = net
    model = make().double()
    x, t = torch.randn(shape, dtype=torch.float64), torch.randint(4, (5,))
    target = F.one_hot(t, 4).double() if loss is F.mse_loss else t
    params = list(model.parameters())
    optimizer = OPTIMIZERS[kind](params)
    for _ in range(2):
        optimizer.zero_grad()
        loss(model(x), target).backward()
        optimizer.step()
    value = loss(model(x), target)
    terms = step_terms(value, params, optimizer, buffers=model.buffers())
    optimizer.zero_grad()
    value.backward()
    update = next_update(optimizer, {p: p.grad for p in params})
    size = 1e-4

    def along(t: float) -> float:
        with torch.no_grad():
            for p in params:
                p -= t * update[p]
            there = float(loss(model(x), target))
            for p in params:
                p += t * update[p]
        return there

    up, here, down = along(size), along(0.0), along(-size)
    assert terms.gain == pytest.approx((down - up) / (2 * size), rel=1e-5, abs=1e-10)
    assert terms.curvature == pytest.approx(
        (up - 2 * here + down) / size**2, rel=1e-3, abs=1e-6
    )


def test_accumulated_gradients_enter_the_update_only():
    p = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    p.grad = torch.tensor([5.0], dtype=torch.float64)
    sgd = O.SGD([p], lr=0.1)
    alone = step_terms((p**2).sum(), [p], sgd)
    both = step_terms((p**2).sum(), [p], sgd, accumulated=True)
    assert alone.gain == pytest.approx(2 * 0.2)
    assert both.gain == pytest.approx(2 * 0.7)
    assert both.curvature == pytest.approx(2 * 0.7**2)
    assert p.grad.item() == 5.0


def test_linear_loss_has_no_curvature():
    p = nn.Parameter(torch.tensor([1.0, 2.0]))
    assert step_terms(p.sum(), [p], O.SGD([p], lr=0.5)).curvature == 0.0


def test_nothing_to_gain_is_nan():
    p = nn.Parameter(torch.tensor([0.0]))
    assert math.isnan(step_terms((p**2).sum(), [p], O.SGD([p], lr=0.5)).gauge)


def test_several_optimizers_and_frozen_parameters():
    a, b, c = (nn.Parameter(torch.tensor([2.0])) for _ in range(3))
    c.requires_grad_(False)
    pair = [O.SGD([a], lr=0.1), O.SGD([b, c], lr=0.2)]
    terms = step_terms((a * b * c).sum(), [a, b, c], pair)
    assert terms.gain == pytest.approx(16 * (0.1 + 0.2))
    assert terms.curvature == pytest.approx(2 * 0.4 * 0.8 * 2)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p * 2, "shape"),
        (lambda p: p.detach().sum(), "depends on no parameter"),
        (lambda p: torch.ones(1, requires_grad=True).sum(), "depends on none"),
        (lambda p: Once.apply(p).sum(), "differentiated twice"),
    ],
)
def test_clear_errors(make, reason):
    p = nn.Parameter(torch.tensor([1.0, 2.0]))
    with pytest.raises(Unmeasurable, match=reason):
        step_terms(make(p), [p], O.SGD([p], lr=0.1))


# --- no mark is left


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        part = lambda z: self.drop(F.relu(self.norm(self.conv(z))))  # noqa: E731
        return self.head(checkpoint(part, x, use_reentrant=False).flatten(1))


@pytest.mark.parametrize("every", [1, 3])
def test_training_is_equal_as_bytes_with_and_without(every):
    def run(measured: bool) -> object:
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        model = Net()
        optimizer = O.AdamW(model.parameters(), lr=0.01)
        losses = []
        for step in range(12):
            x = torch.randn(8, 1, 6, 6) * random.random() + np.random.rand()  # noqa: NPY002
            loss = F.cross_entropy(model(x), torch.randint(3, (8,)))
            if measured and step % every == 0:
                terms = step_terms(
                    loss, model.parameters(), optimizer, buffers=model.buffers()
                )
                assert terms.gain > 0
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return [
            losses,
            model.state_dict(),
            [p.grad for p in model.parameters()],
            optimizer.state_dict(),
            torch.get_rng_state(),
            random.getstate(),
            np.random.get_state(),  # noqa: NPY002
        ]

    assert same(run(True), run(False))
