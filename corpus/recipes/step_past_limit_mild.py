"""Momentum 0.9 at lr=0.3, thirty times what suits it: it trains, and stays bad."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
ALSO = ("divergence",)
STEPS = 400


def make(seed, faulty=True):
    x, y = table("wine")
    net = nn.Sequential(
        nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
    )
    lr = 0.3 if faulty else 0.01
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    target = standard(y.float()[:, None])
    return Training(net, nn.MSELoss(), optimizer, Batches(standard(x), target, 16))
