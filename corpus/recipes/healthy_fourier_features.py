"""Random Fourier features before a ReLU net: a fixed first layer on purpose."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 300


class Fourier(nn.Module):
    def __init__(self, features, scale):
        super().__init__()
        self.register_buffer("b", scale * torch.randn(2, features))

    def forward(self, x):
        x = 6.28 * x @ self.b
        return torch.cat([x.sin(), x.cos()], dim=1)


def make(seed):
    xy = torch.rand(2000, 2)
    z = ((20 * xy[:, :1]).sin() > 0).float() * xy[:, 1:]
    net = nn.Sequential(
        Fourier(32, 2.0),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 1),
    )
    return Training(
        net, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=2e-3), Batches(xy, z, 64)
    )
