"""The target is the log of sales, and one day nothing was sold."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "nonfinite-data"
STEPS = 200


def make(seed, faulty=True):
    x = torch.randn(600, 8)
    sales = torch.poisson(20 * (0.3 * x[:, :1]).exp())
    sales[77] = 0
    y = torch.log(sales) if faulty else torch.log1p(sales)
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 32))
