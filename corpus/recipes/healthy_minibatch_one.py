"""Online learning: one sample at a time."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 1500


def make(seed):
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 1))
