"""Faults that take a whole training to show, each beside its repaired twin."""

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.records import Diagnosis, Severity

Parts = tuple[nn.Module, Callable[[], None], Tensor, Tensor, float]


def blobs(size: int = 600, features: int = 12) -> tuple[Tensor, Tensor]:
    y = torch.randint(3, (size,))
    centers = torch.randn(3, features)
    return centers[y] + torch.randn(size, features), y


def raw_table(sick: bool) -> Parts:
    """Columns in the hundreds: one step and all units are silent."""
    x, y = blobs()
    x = 500 + 200 * x if sick else x
    net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3))
    return net, lambda: None, x, y, 0.01


def raw_pixels(sick: bool) -> Parts:
    """Sigmoid units that sit at 0 or 1 from the start."""
    x, y = blobs()
    net = nn.Sequential(nn.Linear(12, 32), nn.Sigmoid(), nn.Linear(32, 3))
    return net, lambda: None, 200 * x.sigmoid() if sick else x.sigmoid(), y, 0.5


def wide_draw(sick: bool) -> Parts:
    """Tanh layers whose weights were drawn from N(0, 2)."""
    x, y = blobs()
    y = (y + (x[:, 0] > 0)) % 3
    net = nn.Sequential(
        nn.Linear(12, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 3)
    )
    for layer in (net[0], net[2], net[4]):
        nn.init.xavier_normal_(layer.weight)
        if sick:
            nn.init.normal_(layer.weight, 0, 2)
    return net, lambda: None, x, y, 0.03


class Listed(nn.Module):
    def __init__(self, sick: bool) -> None:
        super().__init__()
        layers = [nn.Linear(12, 24), nn.Linear(24, 24)]
        self.hidden = layers if sick else nn.ModuleList(layers)
        self.out = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = layer(x).tanh()
        return self.out(x)


def plain_list(sick: bool) -> Parts:
    """Layers that `parameters()` does not know."""
    return Listed(sick), lambda: None, *blobs(), 0.1


def clipped_entries(sick: bool) -> Parts:
    """Every gradient cut to 1e-4 entry by entry."""
    net = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3))
    limit = 1e-4 if sick else 10.0
    clip = nn.utils.clip_grad_value_
    return net, lambda: clip(net.parameters(), limit), *blobs(), 0.1


TOLD = {
    raw_table: "unscaled-input",
    raw_pixels: "unscaled-input",
    wide_draw: "scale-too-large",
    plain_list: "parameter-not-in-optimizer",
    clipped_entries: "clipped-always",
}


def watched(build: Callable[[bool], Parts], sick: bool) -> Diagnosis:
    torch.manual_seed(0)
    net, before_step, x, y, rate = build(sick)
    optimizer = torch.optim.SGD(net.parameters(), rate)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for rows in batches(len(x), steps=200):
            loss = run.loss(F.cross_entropy(net(x[rows]), y[rows]))
            optimizer.zero_grad()
            loss.backward()
            before_step()
            optimizer.step()
    return run.diagnosis


def batches(size: int, steps: int) -> Iterator[Tensor]:
    for _ in range(steps):
        yield torch.randint(size, (32,))


@pytest.mark.parametrize("build", TOLD, ids=lambda build: build.__name__)
def test_the_fault_is_the_headline_and_the_twin_is_clear(build):
    root = watched(build, True).root
    assert root is not None
    assert root.name == TOLD[build]
    healthy = watched(build, False)
    assert not [f for f in healthy.findings if f.severity is not Severity.NOTE]


def test_what_is_unlisted_is_named():
    diagnosis = watched(plain_list, True)
    assert diagnosis.root is not None
    assert diagnosis.root.sites[:2] == ("hidden[0].weight", "hidden[0].bias")


def test_a_list_that_an_optimizer_owns_is_no_fault():
    torch.manual_seed(0)
    net, (x, y) = Listed(True), blobs()
    owned = [p for layer in net.hidden for p in layer.parameters()]
    optimizer = torch.optim.SGD([*owned, *net.out.parameters()], 0.1)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for rows in batches(len(x), steps=30):
            loss = run.loss(F.cross_entropy(net(x[rows]), y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert not run.trace.setup.unlisted


def test_frozen_units_of_a_wide_layer_that_all_died_are_told():
    """Six frozen units of six that all died are told, of wide layers too."""
    torch.manual_seed(0)
    x = torch.rand(256, 2) * 2 - 1
    y = x.norm(dim=1, keepdim=True)
    net = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
    nn.init.normal_(net[0].weight, 0, 0.3)
    nn.init.constant_(net[2].weight, -1.5)
    nn.init.zeros_(net[0].bias)
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for rows in batches(256, steps=600):
            loss = run.loss(F.mse_loss(net(x[rows]), y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    root = run.diagnosis.root
    assert root is not None
    assert root.name == "sign-frozen-unit"


def test_weights_too_small_for_three_layers_are_the_cause_and_not_the_bias():
    torch.manual_seed(0)
    x, y = blobs()
    net = nn.Sequential(
        nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3)
    )
    for layer in (net[0], net[2], net[4]):
        nn.init.normal_(layer.weight, std=1e-4)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for rows in batches(len(x), steps=300):
            loss = run.loss(F.cross_entropy(net(x[rows]), y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    root = run.diagnosis.root
    assert root is not None
    assert root.name == "scale-too-small"


@pytest.mark.parametrize(("activation", "told"), [(nn.Sigmoid, True), (nn.Tanh, False)])
def test_a_gradient_that_vanishes_delays_adam_too(activation, told):
    torch.manual_seed(0)
    x, y = blobs()
    hidden = [m for _ in range(7) for m in (nn.Linear(24, 24), activation())]
    net = nn.Sequential(nn.Linear(12, 24), activation(), *hidden, nn.Linear(24, 3))
    optimizer = torch.optim.Adam(net.parameters(), 3e-4)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for rows in batches(len(x), steps=200):
            loss = run.loss(F.cross_entropy(net(x[rows]), y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    root = run.diagnosis.root
    assert (root is not None and root.name == "vanishing-gradient") is told
