"""A sigmoid at the end of a regression whose targets run from 0 to 10."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "unreachable-target"
STEPS = 300


def make(seed, faulty=True):
    x, y = surface()
    y = 5 + 2 * y
    net = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
    if faulty:
        net.append(nn.Sigmoid())
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 64))
