"""Adam at 1e-6 on a regression."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "step-too-small"
STEPS = 400


def make(seed, faulty=True):
    net = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-6 if faulty else 3e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(*surface(), 32))
