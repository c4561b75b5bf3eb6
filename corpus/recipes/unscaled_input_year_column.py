"""A column with the year (1990 to 2020) beside columns near one; Adam, tanh."""

import torch
from _data import Batches, standard, surface
from torch import nn

from reluctant import Training

CAUSE = "unscaled-input"
ALSO = ("ill-conditioned", "skewed-input")
STEPS = 400


def make(seed, faulty=True):
    x, y = surface(1000)
    year = torch.randint(1990, 2021, (1000, 1)).float()
    y = y + (year - 2005) / 15
    year = year if faulty else standard(year)
    net = nn.Sequential(nn.Linear(9, 48), nn.Tanh(), nn.Linear(48, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(torch.cat([x, year], 1), y))
