"""Averaged along the wrong axis and stretched back: 64 columns of one number."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "constant-feature"
STEPS = 300


def make(seed, faulty=True):
    x, y = digits()
    if faulty:
        x = x.mean(1, keepdim=True).repeat(1, 64)
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
