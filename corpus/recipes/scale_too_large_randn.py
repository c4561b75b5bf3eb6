"""Weights made with torch.randn, without any scaling."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "scale-too-large"
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 100),
        nn.ReLU(),
        nn.Linear(100, 100),
        nn.ReLU(),
        nn.Linear(100, 100),
        nn.ReLU(),
        nn.Linear(100, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
    if faulty:
        for p in net.parameters():
            p.data = torch.randn(p.shape)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
