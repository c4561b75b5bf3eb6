"""Copies of units: found, counted, and kept by their gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import reluctant
from reluctant.records import Finding


def watched(model: nn.Module, x: torch.Tensor, steps: int = 40) -> list[Finding]:
    torch.manual_seed(0)
    y = torch.randint(3, (len(x),))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for i in torch.arange(steps) % 4:
            part = slice(int(i) * 32, int(i) * 32 + 32)
            loss = run.loss(F.cross_entropy(model(x[part]), y[part]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [f for f in run.diagnosis.findings if f.code == "UNT301"]


def dense() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_effective_width_is_what_is_left(scale: float) -> None:
    """Equal up to a positive scale; the outgoing weights undo it, as in widening."""
    model = dense()
    with torch.no_grad():
        model[0].weight[8:] = scale * model[0].weight[:4]
        model[0].bias[8:] = scale * model[0].bias[:4]
        model[2].weight[:, 8:] = model[2].weight[:, :4] * scale
    (finding,) = watched(model, torch.randn(128, 6))
    assert "4 of 12 units of 0 (33%" in finding.message
    assert "its effective width is 8" in finding.message
    assert finding.evidence[0].note == "effective width 8 of 12"


def test_copies_that_gradients_part_are_no_finding() -> None:
    model = dense()
    with torch.no_grad():
        model[0].weight[8:] = model[0].weight[:4]
        model[0].bias[8:] = model[0].bias[:4]  # what they send on differs
    assert not watched(model, torch.randn(128, 6))


def test_opposite_units_are_no_copies() -> None:
    model = dense()
    with torch.no_grad():
        model[0].weight[8:] = -model[0].weight[:4]
        model[0].bias[8:] = -model[0].bias[:4]
        model[2].weight[:, 8:] = model[2].weight[:, :4]
    assert not watched(model, torch.randn(128, 6))


def test_channels_of_a_convolution() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 3)
    )
    with torch.no_grad():
        model[0].weight[4:] = model[0].weight[:4]
        model[0].bias[4:] = model[0].bias[:4]
        model[3].weight[:, 64:] = model[3].weight[:, :64]
    (finding,) = watched(model, torch.randn(128, 2, 6, 6))
    assert "its effective width is 4" in finding.message
