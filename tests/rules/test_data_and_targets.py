"""What is told of data and targets: a fault in one line, and its twin without it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.live._loss_look import class_distances
from reluctant.records import Diagnosis, Severity


class Parts(NamedTuple):
    x: Tensor
    y: Tensor
    loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss
    rate: float = 0.05
    adam: bool = False
    outputs: int = 1
    steps: int = 300
    clip: float = 0.0


def hills(size: int = 1200) -> tuple[Tensor, Tensor]:
    x = torch.randn(size, 6)
    return x, (x[:, :1] * x[:, 1:2] + x[:, 2:3]).tanh()


def rain(sick: bool) -> Parts:
    """Dry on most days; which loss decides whether a wet one is foretold."""
    x = torch.randn(1200, 5)
    is_wet = torch.rand(1200, 1) < 0.5 * torch.sigmoid(1.5 * x[:, :1])
    loss = F.l1_loss if sick else F.mse_loss
    return Parts(x, 3.0 * is_wet, loss, 3e-3, adam=True)


def kinds_or_grades(sick: bool) -> Parts:
    """Six kinds of things under a squared error, or six grades of one thing."""
    y = torch.randint(6, (1200,))
    centers = (
        torch.randn(6, 20) if sick else torch.randn(20) * torch.arange(6.0)[:, None]
    )
    x = centers[y] + 0.3 * torch.randn(1200, 20)
    return Parts(x / x.std(), y[:, None].float(), F.mse_loss, 3e-3, adam=True)


def wealth(sick: bool) -> Parts:
    """A few own what the others do not; or its logarithm."""
    log_wealth = 2.5 * torch.randn(1200, 5)
    y = (log_wealth.sum(1, keepdim=True) > 0).float()
    x = log_wealth.exp() if sick else log_wealth
    x = (x - x.mean(0)) / x.std(0)
    return Parts(x, y, F.binary_cross_entropy_with_logits, 0.05)


def rare_kinds(sick: bool) -> Parts:
    """One kind of eight is nearly all there is."""
    y = torch.randint(8, (6000,))
    keep = (y == 0) | (torch.rand(6000) < (0.01 if sick else 1.0))
    x = torch.randn(8, 20)[y] + 0.6 * torch.randn(6000, 20)
    return Parts(x[keep], y[keep], F.cross_entropy, 0.03, outputs=8)


def typing_error(sick: bool) -> Parts:
    """One target of the first batches is a thousand times too large."""
    x, y = hills()
    y[150] = 40_000.0 if sick else 0.4
    return Parts(x, y)


def crawl(sick: bool) -> Parts:
    """Entries of the gradient are cut so short that the run is on its way all along."""
    x, y = hills()
    return Parts(x, y, rate=0.05, clip=3e-3 if sick else 10.0, steps=600)


def tides(sick: bool) -> Parts:
    """What a gauge reads against the time of day; read in that order, or shuffled."""
    x = 2 * torch.rand(2560, 6) - 1
    x = x[x[:, 3].argsort()] if sick else x
    y = (x[:, :1] * x[:, 1:2] + (3 * x[:, 2:3]).tanh()) - 3 * x[:, 3:4]
    return Parts(x, y, rate=0.1)


def shelves(sick: bool) -> Parts:
    """Kinds that lie in order of their number, mixed with their neighbours."""
    y = torch.randint(8, (1280,))
    place = y + 0.7 * torch.randn(1280)
    y = y[place.argsort()] if sick else y
    x = torch.randn(8, 20)[y] + 1.5 * torch.randn(1280, 20)
    return Parts(x, y, F.cross_entropy, 0.1, outputs=8)


TOLD = {
    tides: "unshuffled",
    shelves: "unshuffled",
    rain: "wrong-loss-for-targets",
    kinds_or_grades: "wrong-loss-for-targets",
    wealth: "skewed-input",
    rare_kinds: "imbalance",
    typing_error: "single-step-catastrophe",
    crawl: "clipped-always",
}


def watched(build: Callable[[bool], Parts], sick: bool, seed: int) -> Diagnosis:
    torch.manual_seed(seed)
    parts = build(sick)
    features = parts.x.shape[1]
    net = nn.Sequential(
        nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, parts.outputs)
    )
    kind: Any = torch.optim.Adam if parts.adam else torch.optim.SGD
    optimizer = kind(net.parameters(), parts.rate)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for step in range(parts.steps):
            rows = torch.arange(32 * step, 32 * step + 32) % len(parts.x)
            loss = run.loss(parts.loss(net(parts.x[rows]), parts.y[rows]))
            optimizer.zero_grad()
            loss.backward()
            if parts.clip:
                nn.utils.clip_grad_value_(net.parameters(), parts.clip)
            optimizer.step()
    return run.diagnosis


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("build", TOLD, ids=lambda build: build.__name__)
def test_the_fault_is_the_headline_and_the_twin_is_clear(build, seed):
    root = watched(build, True, seed).root
    assert root is not None
    assert root.name == TOLD[build]
    healthy = watched(build, False, seed)
    assert not [f for f in healthy.findings if f.severity is not Severity.NOTE]


def ordered_and_kept(sick: bool) -> Parts:
    """In order too, but one line fits all of it: nothing is forgotten."""
    x = torch.randn(1280, 6)
    x = x[x[:, 3].argsort()]
    return Parts(x, x[:, :1] - 2 * x[:, 3:4], rate=0.01)


def test_order_alone_is_no_fault():
    found = watched(ordered_and_kept, False, 0).findings
    assert "unshuffled" not in {f.name for f in found}


def test_distances_are_those_of_all_pairs():
    torch.manual_seed(0)
    x, y = torch.randn(40, 3, 2), torch.randint(7, (40, 1)).float()
    apart = class_distances(x, y)
    wanted: dict[int, list[float]] = {0: [], 1: [], 2: []}
    span = float(y.max() - y.min())
    for i in range(40):
        for j in range(i):
            gap = abs(float(y[i] - y[j]))
            for kind, is_so in enumerate((gap == 0, gap == 1, gap >= span / 2)):
                if is_so:
                    wanted[kind].append(float((x[i] - x[j]).square().mean()))
    assert apart is not None
    for kind, values in wanted.items():
        assert float(apart[kind]) == pytest.approx(sum(values) / len(values), rel=1e-5)


@pytest.mark.parametrize(
    "y",
    [
        torch.randn(40),  # amounts
        torch.randint(2, (40,)).float(),  # yes and no
        torch.full((40,), 4.0),
        torch.arange(40.0) * 5,  # too many
        torch.arange(39.0) % 6,  # another number of them
    ],
)
def test_no_distances_of_what_is_not_a_few_whole_numbers(y):
    assert class_distances(torch.randn(40, 3), y) is None
