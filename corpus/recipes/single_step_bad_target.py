"""One target was typed in the wrong unit: 50,000 where the others are near 1."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "single-step-catastrophe"
ALSO = ("divergence",)
STEPS = 400


def score(net):
    x, y = net.clean
    return float((1 - (net(x) - y).pow(2).mean() / y.var()).clamp(min=-1))


def make(seed, faulty=True):
    x, y = surface(2000)
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
    net.clean = x, y.clone()
    if faulty:
        y[torch.randint(2000, (1,))] = 50_000.0
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 16))
