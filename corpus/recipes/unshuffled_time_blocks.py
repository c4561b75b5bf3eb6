"""A drifting regression read in order of time, epoch after epoch."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "unshuffled"
STEPS = 400


def score(net):
    x, y = net.data
    return 1 - (net(x) - y).pow(2).mean() / y.var()


def make(seed, faulty=True):
    x, y = surface(1600)
    x, i = x.clone(), x[:, 3].argsort()
    net = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 1))
    x, y = x[i], y[i] - 3 * x[i, 3:4]
    net.data = x, y
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 16, shuffle=not faulty))
