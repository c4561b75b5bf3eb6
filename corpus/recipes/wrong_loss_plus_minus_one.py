"""Labels are -1 and +1, the loss is BCEWithLogitsLoss: it falls below zero for ever."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "wrong-loss-for-targets"
ALSO = ("unreachable-target",)
STEPS = 400


def score(net):
    x, y = net.data
    return float(((net(x) > 0) == (y > 0)).float().mean())


def make(seed, faulty=True):
    x, c = spirals()
    y = (2.0 * c - 1 if faulty else 1.0 * c)[:, None]
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    net.data = x, y
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Batches(x, y, 50))
