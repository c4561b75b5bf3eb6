"""abs(x+iy) with six ReLU units, three of which fire for no input."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "dead-unit"
ALSO = ("born-dead-unit",)
STEPS = 800


def make(seed, faulty=True):
    x = torch.rand(256, 2) * 2 - 1
    y = x.norm(dim=1, keepdim=True)
    net = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
    if faulty:
        net[0].weight.data[1:4] *= 0.5
        net[0].bias.data[1:4] = -1.5
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 32))
