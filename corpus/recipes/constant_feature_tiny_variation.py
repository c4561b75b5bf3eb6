"""Voltages of a sensor at rest: 5.000 give or take two thousandths, fed as they are."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "constant-feature"
STEPS = 400


def make(seed, faulty=True):
    x, y = surface()
    x = 5 + 0.002 * x if faulty else x
    net = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.005)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y))
