"""Layer-wise decay of the rate with an exponent that is off: the first layers get none."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "group-without-rate"
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 10))
    rate = 2e-3
    decay = 0.001 if faulty else 0.5
    groups = [
        {"params": net[4 - 2 * i].parameters(), "lr": rate * decay ** (2 * i)} for i in range(3)
    ]
    return Training(net, nn.CrossEntropyLoss(), torch.optim.Adam(groups), Batches(x, y, 64))
