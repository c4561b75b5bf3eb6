"""requires_grad_(False) left over from an experiment, on the first two layers of an MLP."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "frozen-parameter"
ALSO = ("no-gradient",)
STEPS = 400


def make(seed, faulty=True):
    x, y = spirals()
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    if faulty:
        for layer in list(net)[:3]:
            layer.requires_grad_(False)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 50))
