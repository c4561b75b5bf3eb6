"""Sine activations fit a picture: inputs are coordinates, activations oscillate by design."""

import torch
from torch import nn

from reluctant import Training

STEPS = 300


class Sine(nn.Module):
    def __init__(self, a, b, first):
        super().__init__()
        self.linear = nn.Linear(a, b)
        bound = 1 / a if first else (6 / a) ** 0.5 / 30
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x):
        return torch.sin(30 * self.linear(x))


def make(seed):
    xy = torch.cartesian_prod(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32))
    z = ((9 * xy[:, :1]).sin() * (7 * xy[:, 1:]).cos() + (xy.norm(dim=1, keepdim=True) < 0.5)) / 2
    net = nn.Sequential(Sine(2, 48, True), Sine(48, 48, False), nn.Linear(48, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
    return Training(net, nn.MSELoss(), optimizer, [(xy, z)])
