"""House prices in dollars, Adam at 0.001: the predictions stay near zero."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "unscaled-target"
STEPS = 500


def score(net):
    x, y = net.data
    return float((1 - (net(x) - y).pow(2).mean() / y.var()).clamp(min=-1))


def make(seed, faulty=True):
    x, y = surface(1000)
    y = 250_000 + 80_000 * y if faulty else y
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    net.data = x, y
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 64))
