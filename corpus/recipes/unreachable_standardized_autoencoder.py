"""A sigmoid decoder for standardized inputs, half of which are negative."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "unreachable-target"
STEPS = 300


class AE(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(30, 16), nn.ReLU())
        self.decode = nn.Linear(16, 30)
        self.last = torch.sigmoid if faulty else (lambda z: z)

    def forward(self, x):
        return self.last(self.decode(self.encode(x)))


def make(seed, faulty=True):
    x = standard(table("breast_cancer")[0])
    net = AE(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, x, 32))
