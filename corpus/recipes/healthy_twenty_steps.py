"""Stopped after twenty steps: nothing is wrong, it has only just begun."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 20


def make(seed):
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
