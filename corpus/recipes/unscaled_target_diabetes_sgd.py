"""The diabetes table, targets from 25 to 346, SGD at 0.01: nan after some steps."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "unscaled-target"
ALSO = ("step-past-limit",)
STEPS = 300


def score(net):
    x, y = net.data
    value = 1 - (net(x) - y).pow(2).mean() / y.var()
    return float(value.nan_to_num(-1).clamp(min=-1))


def make(seed, faulty=True):
    x, y = table("diabetes")
    x, y = standard(x), y if faulty else standard(y)
    net = nn.Sequential(
        nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
    )
    net.data = x, y
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 32))
