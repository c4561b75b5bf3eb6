"""Leaky ReLU and PReLU in one net, NAdam."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, y = spirals()
    net = nn.Sequential(
        nn.Linear(2, 48), nn.LeakyReLU(0.1), nn.Linear(48, 48), nn.PReLU(), nn.Linear(48, 2)
    )
    optimizer = torch.optim.NAdam(net.parameters(), lr=5e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 50))
