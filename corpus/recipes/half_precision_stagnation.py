"""Weights kept in bfloat16 with a small rate: most updates are rounded away."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "half-precision-underflow"
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    if faulty:
        net, x = net.bfloat16(), x.bfloat16()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    loss_fn = nn.CrossEntropyLoss()
    return Training(net, lambda z, y: loss_fn(z.float(), y), optimizer, Batches(x, y, 64))
