"""Convolutions straight into each other: the ReLUs were lost in a refactoring."""

import torch
from _data import Batches, shapes
from torch import nn

from reluctant import Training

CAUSE = "missing-nonlinearity"
STEPS = 250


def make(seed, faulty=True):
    act = nn.Identity if faulty else nn.ReLU
    net = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        act(),
        nn.Conv2d(12, 12, 3, padding=1),
        act(),
        nn.Conv2d(12, 12, 3, padding=1),
        act(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 3),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*shapes(), 32))
