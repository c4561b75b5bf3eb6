"""A sigmoid made steep "so that it acts like a switch": sigmoid(1000 x)."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "saturated-unit"
STEPS = 500


class Switch(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        return torch.sigmoid(self.slope * x)


def make(seed, faulty=True):
    x, y = digits()
    slope = 1000 if faulty else 4
    net = nn.Sequential(
        nn.Linear(64, 20), Switch(slope), nn.Linear(20, 20), Switch(slope), nn.Linear(20, 10)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
