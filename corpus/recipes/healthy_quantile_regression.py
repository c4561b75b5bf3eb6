"""Three quantiles at once by the pinball loss."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 300


def pinball(z, y):
    q = torch.tensor([0.1, 0.5, 0.9])
    error = y - z
    return torch.maximum(q * error, (q - 1) * error).mean()


def make(seed):
    x = torch.rand(1000, 1) * 4 - 2
    y = x.sin() + (0.1 + 0.3 * x.abs()) * torch.randn(1000, 1)
    net = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, pinball, optimizer, Batches(x, y, 50))
