"""ReLU on the output of a regression whose targets are never negative, bias at their mean."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x = torch.randn(1000, 8)
    y = (2 + x[:, :1] - x[:, 1:2]).clamp(min=0)
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1), nn.ReLU())
    nn.init.constant_(net[2].bias, 2.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 64))
