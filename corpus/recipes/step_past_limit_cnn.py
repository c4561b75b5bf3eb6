"""A CNN without norm at lr=2 with SGD."""

import torch
from _data import Batches, shapes
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
ALSO = ("divergence",)
STEPS = 200


def make(seed, faulty=True):
    x, y = shapes()
    net = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(96, 3),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=2.0 if faulty else 0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
