"""The wine table as it is: one column near 750, others near 1, SGD."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "unscaled-input"
STEPS = 400


def make(seed, faulty=True):
    x, y = table("wine")
    if not faulty:
        x = standard(x)
    net = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 16))
