"""Biases started at -1 "for sparsity", on inputs between 0 and 1."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "born-dead-unit"
ALSO = ("dead-unit", "dead-layer")
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
    )
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.constant_(layer.bias, 0.0)
    if faulty:
        nn.init.constant_(net[0].bias, -1.0)
        nn.init.constant_(net[2].bias, -1.0)
    return Training(
        net, F.cross_entropy, torch.optim.SGD(net.parameters(), lr=0.1), Batches(x, y, 32)
    )
