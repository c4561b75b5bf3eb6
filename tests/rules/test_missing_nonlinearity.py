"""LOP501: a power between layers bends, one in the loss does not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import reluctant


class Net(nn.Module):
    def __init__(self, act: Callable[[Tensor], Tensor], *, skips: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 12), nn.Linear(12, 12)
        self.last = nn.Linear(12, 1)
        self.act, self.skips = act, skips

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.first(x))
        h = self.act(self.second(h)) + (h if self.skips else 0)
        return self.last(h)


def same(x: Tensor) -> Tensor:
    return x


def codes(net: nn.Module) -> set[str]:
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    y = x[:, :1] * x[:, 1:2]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.003)
    with reluctant.watch(net, optimizer, budget=1.0) as run:
        for _ in range(60):
            optimizer.zero_grad()
            # a squared error by hand, and weights that are kept small, are powers, too
            decay = sum(p.pow(2).sum() for p in net.parameters())
            loss = ((net(x) - y) ** 2).mean() + 1e-4 * decay
            run.loss(loss).backward()
            optimizer.step()
    return {finding.code for finding in run.diagnosis.findings}


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("act", [lambda x: x**2, lambda x: x.pow(3)])
def test_a_power_between_layers_is_an_activation(
    act: Callable[[Tensor], Tensor], skips: bool
) -> None:
    torch.manual_seed(0)
    assert "LOP501" not in codes(Net(act, skips=skips))


def test_powers_in_the_loss_alone_bend_nothing() -> None:
    torch.manual_seed(0)
    assert "LOP501" in codes(Net(same))
