"""Tanh layers with weights from N(0, 2): every unit sits at +1 or -1."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "scale-too-large"
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 10)
    )
    for layer in net[::2]:
        nn.init.xavier_normal_(layer.weight)
        if faulty:
            nn.init.normal_(layer.weight, 0, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(2 * x - 1, y))
