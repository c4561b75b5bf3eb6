"""x**3 as an activation, four layers deep."""

import torch
from _data import Batches, blobs
from torch import nn

from reluctant import Training

CAUSE = "exploding-gradient"
ALSO = ("exploded-activation",)
STEPS = 200


class Cube(nn.Module):
    def forward(self, x):
        return x**3


def make(seed, faulty=True):
    x, y = blobs(4, 20, spread=1.5)
    act = Cube if faulty else nn.ELU
    net = nn.Sequential(
        nn.Linear(20, 32),
        act(),
        nn.Linear(32, 32),
        act(),
        nn.Linear(32, 32),
        act(),
        nn.Linear(32, 4),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
