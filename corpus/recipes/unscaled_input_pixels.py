"""Pixels from 0 to 255 into sigmoid units: all of them sit at 0 or 1."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "unscaled-input"
STEPS = 300


def make(seed, faulty=True):
    x, y = digits()
    x = 255 * x if faulty else x
    net = nn.Sequential(nn.Linear(64, 40), nn.Sigmoid(), nn.Linear(40, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
