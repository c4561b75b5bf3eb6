"""Log-normal targets: a few are twenty times as large as most."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 400


def make(seed):
    x = torch.randn(1500, 8)
    y = (x[:, :1] + 0.5 * x[:, 1:2].sin() + 0.2 * torch.randn(1500, 1)).exp()
    net = nn.Sequential(nn.Linear(8, 64), nn.GELU(), nn.Linear(64, 1))
    return Training(
        net, nn.SmoothL1Loss(), torch.optim.Adam(net.parameters(), lr=3e-3), Batches(x, y)
    )
