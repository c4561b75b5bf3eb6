import torch
from torch import nn

import reluctant
from reluctant.records import Diagnosis, Severity


def watched(model: nn.Module) -> Diagnosis:
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(30):
            x = torch.randn(32, 3, 6, 6)
            loss = run.loss(
                (model(x).mean((1, 2, 3)) - x.mean((1, 2, 3))).square().mean()
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return run.diagnosis


def notes(*layers: nn.Module) -> list[str]:
    found = watched(nn.Sequential(*layers)).findings
    mine = [f for f in found if f.code == "LOP502"]
    assert all(f.severity is Severity.NOTE for f in mine)
    return [site for f in mine for site in f.sites]


def test_a_convolution_before_batch_norm() -> None:
    body = (nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3))
    assert notes(nn.Conv2d(3, 4, 3), *body) == ["0"]
    assert not notes(nn.Conv2d(3, 4, 3, bias=False), *body)


def test_an_activation_between_lets_the_bias_speak() -> None:
    layers = (nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))
    assert not notes(nn.Conv2d(3, 4, 3), *layers)


def test_group_norm_keeps_most_of_it() -> None:
    layers = (nn.GroupNorm(1, 4), nn.ReLU(), nn.Conv2d(4, 1, 3))
    assert not notes(nn.Conv2d(3, 4, 3), *layers)
