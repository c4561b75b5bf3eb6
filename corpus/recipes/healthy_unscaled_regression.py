"""Targets in the hundreds, not scaled, but Adam with a fitting rate learns them."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 600


def make(seed):
    x = torch.randn(1000, 6)
    y = 250 + 80 * x[:, :1] - 60 * x[:, 1:2] * x[:, 2:3]
    net = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    return Training(
        net, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=0.01), Batches(x, y, 64)
    )
