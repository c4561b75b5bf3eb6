"""A net made wider by copying its units without noise: the copies stay copies."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "merged-units"
ALSO = ("symmetric-init",)
STEPS = 600


def make(seed, faulty=True):
    x, y = spirals()
    net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 2))
    if faulty:
        with torch.no_grad():
            for layer in (net[0], net[2]):
                layer.weight.copy_(layer.weight[:3].repeat(8, 1))
                layer.bias.copy_(layer.bias[:3].repeat(8))
            net[2].weight.copy_(net[2].weight[:, :3].repeat(1, 8) / 3)
            net[4].weight.copy_(net[4].weight[:, :3].repeat(1, 8) / 3)
    return Training(
        net, nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=0.01), Batches(x, y, 50)
    )
