"""abs(x+iy) with six ReLU units whose outgoing weights start large and negative."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "sign-frozen-unit"
STEPS = 1000


def make(seed, faulty=True):
    x = torch.rand(256, 2) * 2 - 1
    y = x.norm(dim=1, keepdim=True)
    net = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
    nn.init.normal_(net[0].weight, 0, 0.3)
    nn.init.constant_(net[2].weight, -1.5 if faulty else 0.0)
    nn.init.zeros_(net[0].bias)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 64))
