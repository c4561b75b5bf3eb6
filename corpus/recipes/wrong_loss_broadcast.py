"""Predictions of shape (N, 1), targets of shape (N,): MSELoss broadcasts to N x N."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "wrong-loss-for-targets"
ALSO = ("leak-across-batch",)
STEPS = 400


def score(net):
    x, y = net.data
    return float(1 - (net(x) - y).pow(2).mean() / y.var())


def make(seed, faulty=True):
    x, y = surface()
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
    net.data = x, y
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y[:, 0] if faulty else y, 64))
