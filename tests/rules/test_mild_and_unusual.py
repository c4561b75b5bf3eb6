"""Faults that leave some skill, and trainings that only look like faults."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.records import Severity
from reluctant.records.quantities import LOSS_PART
from reluctant.rules._constant import skill


def train(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    loss_of: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    *,
    steps: int = 400,
    batch: int = 32,
) -> Any:
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for step in range(steps):
            rows = torch.arange(batch * step, batch * step + batch) % len(x)
            loss = run.loss(loss_of(net(x[rows]), y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return run


def told(run: Any) -> list[str]:
    findings = run.diagnosis.findings
    return [f.name for f in findings if f.severity is not Severity.NOTE]


def blobs(classes: int = 5, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    y = torch.randint(classes, (1600,))
    return torch.randn(classes, 20)[y] + spread * torch.randn(1600, 20), y


def mlp(activation: type[nn.Module] = nn.ReLU, outputs: int = 5) -> nn.Sequential:
    hidden = (nn.Linear(20, 64), activation(), nn.Linear(64, 64), activation())
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


@pytest.mark.parametrize(("decay", "expected"), [(0.1, True), (1e-4, False)])
def test_decay_that_holds_a_network_back(decay, expected):
    torch.manual_seed(0)
    net = mlp()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3, weight_decay=decay)
    run = train(net, optimizer, *blobs(), steps=900)
    assert told(run) == (["excessive-weight-decay"] if expected else [])


@pytest.mark.parametrize(("decay", "expected"), [(0.01, True), (1e-4, False)])
def test_decay_that_shrinks_the_weights_of_a_regression(decay, expected):
    torch.manual_seed(0)
    x = 2 * torch.rand(1600, 20) - 1
    y = (3 * x[:, :1]).sin() + x[:, 1:2] * x[:, 2:3]
    net = mlp(nn.Tanh, outputs=1)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3, weight_decay=decay)
    run = train(net, optimizer, x, y, F.mse_loss, steps=900)
    assert told(run) == (["excessive-weight-decay"] if expected else [])


@pytest.mark.parametrize(("gain", "expected"), [(16.0, True), (1.0, False)])
def test_a_far_start_that_fits_in_the_end(gain, expected):
    torch.manual_seed(0)
    net = mlp(nn.Tanh)
    for layer in (net[0], net[2], net[4]):
        nn.init.xavier_normal_(layer.weight, gain)
    optimizer = torch.optim.SGD(net.parameters(), 0.02)
    run = train(net, optimizer, *blobs(spread=0.3), steps=1200)
    assert skill(run.trace).value > 0.7
    assert (run.diagnosis.root is not None) == expected
    assert not expected or run.diagnosis.root.name == "scale-too-large"


@pytest.mark.parametrize(("rate", "expected"), [(0.003, True), (3.0, False)])
def test_a_run_that_crawls_to_its_end(rate, expected):
    torch.manual_seed(3)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(8, 1)
    y = (x.sum(1, keepdim=True) == 1).float()
    net = nn.Sequential(nn.Linear(2, 8), nn.Sigmoid(), nn.Linear(8, 1), nn.Sigmoid())
    optimizer = torch.optim.SGD(net.parameters(), rate, momentum=0.97)
    run = train(net, optimizer, x, y, F.mse_loss, steps=4000)
    assert told(run) == (["step-too-small"] if expected else [])


@pytest.mark.parametrize(("scale", "expected"), [(300.0, True), (1.0, False)])
def test_raw_columns_before_flat_units_are_the_inputs_fault(scale, expected):
    """The step is too long as well, but a shorter one would leave the units flat."""
    torch.manual_seed(0)
    net = mlp(nn.Tanh)
    x, y = blobs()
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    run = train(net, optimizer, (2 + x) * scale, y)
    root = run.diagnosis.root
    assert (root is not None) == expected
    assert not expected or root.name == "unscaled-input"


@pytest.mark.parametrize("final", [nn.Softmax(1), nn.Sigmoid()])
def test_a_softmax_over_labels_that_do_not_exclude_each_other(final):
    torch.manual_seed(0)
    x = torch.randn(1600, 20)
    y = (x[:, :5] > 0).float()
    net = mlp().append(final)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    run = train(net, optimizer, x, y, F.binary_cross_entropy)
    wanted = ["unreachable-target"] if isinstance(final, nn.Softmax) else []
    assert told(run)[:1] == wanted


class Tuned(nn.Module):
    """A body and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU())
        self.head = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


@pytest.mark.parametrize("is_frozen", [True, False])
def test_a_frozen_body_rests_in_evaluation_mode(is_frozen):
    torch.manual_seed(0)
    net = Tuned()
    net.body.eval().requires_grad_(not is_frozen)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 3e-3)
    run = train(net, optimizer, *blobs())
    assert told(run) == ([] if is_frozen else ["wrong-mode"])


@pytest.mark.parametrize(("weight", "is_known"), [(5.0, False), (1e-5, True)])
def test_a_sum_of_losses_is_measured_against_what_explains_it(weight, is_known):
    torch.manual_seed(0)
    net = mlp()
    shares = []

    def summed(outputs: Tensor, y: Tensor) -> Tensor:
        first = F.cross_entropy(outputs, y)
        loss = first + weight * sum(p.square().sum() for p in net.parameters()) / 100
        shares.append(float(first.detach() / loss.detach()))
        return loss

    run = train(net, torch.optim.SGD(net.parameters(), 0.02), *blobs(), summed)
    measured = run.trace.series(LOSS_PART)
    for step, value in zip(measured.steps, measured.values, strict=True):
        assert value == pytest.approx(shares[int(step)], rel=1e-5)
    assert skill(run.trace).is_exact == is_known


def test_one_loss_is_no_sum():
    torch.manual_seed(0)
    net = mlp()
    run = train(net, torch.optim.SGD(net.parameters(), 0.05), *blobs(), steps=30)
    assert not run.trace.has(LOSS_PART)


class Autoencoder(nn.Module):
    """A variational one."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 8))
        self.decoder = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 20))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        drawn = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.decoder(drawn), mean, log_variance


@pytest.mark.parametrize(("reduction", "expected"), [("mean", True), ("sum", False)])
def test_a_term_that_a_heavier_one_outweighs(reduction, expected):
    torch.manual_seed(0)
    data = torch.randn(1024, 3) @ torch.randn(3, 20)
    net = Autoencoder()
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for step in range(400):
            x = data[torch.arange(64 * step, 64 * step + 64) % 1024]
            outputs, mean, log_variance = net(x)
            off = nn.functional.mse_loss(outputs, x, reduction=reduction)
            spread = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2
            loss = run.loss((off + spread) / len(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert told(run) == (["constant-predictor"] if expected else [])
