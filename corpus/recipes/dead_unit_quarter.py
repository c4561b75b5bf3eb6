"""A run continued from weights in which a quarter of the hidden units has died."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "dead-unit"
ALSO = ("born-dead-unit",)
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    if faulty:  # what is left after somebody's first attempt with a large step
        with torch.no_grad():
            net[0].bias[:2] = -15.0
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
