"""Counts with PoissonNLLLoss: the net gives the log of the rate."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x = torch.randn(1000, 6)
    y = torch.poisson((1 + 0.6 * x[:, :1] - 0.4 * x[:, 1:2]).exp())
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.PoissonNLLLoss(), optimizer, Batches(x, y, 64))
