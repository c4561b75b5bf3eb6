"""Only the hidden layer is constant: torch.ones scaled down, the head as usual."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "symmetric-init"
ALSO = ("merged-units",)
STEPS = 400


def make(seed, faulty=True):
    x, y = table("wine")
    net = nn.Sequential(nn.Linear(13, 24), nn.Sigmoid(), nn.Linear(24, 3))
    if faulty:
        net[0].weight.data = torch.ones(24, 13) * 0.1
        net[0].bias.data.zero_()
        net[2].weight.data.fill_(0.1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(standard(x), y, 16))
