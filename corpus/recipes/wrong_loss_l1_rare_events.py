"""Rainfall is zero on most days; mean absolute error then learns zero for all."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "wrong-loss-for-targets"
STEPS = 300


def score(net):
    x, y = net.data
    return float(1 - (net(x) - y).pow(2).mean() / y.var())


def make(seed, faulty=True):
    x = torch.randn(1500, 6)
    wet = torch.rand(1500, 1) < 0.45 * torch.sigmoid(2 * x[:, :1])
    y = wet * (1 + x[:, 1:2].exp())
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
    net.data = x, y
    loss_fn = nn.L1Loss() if faulty else nn.MSELoss()
    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=3e-3), Batches(x, y, 64))
