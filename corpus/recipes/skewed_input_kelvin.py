"""Temperatures in Kelvin: all near 290, and the weather is in the last digit."""

import torch
from _data import Batches, standard
from torch import nn

from reluctant import Training

CAUSE = "skewed-input"
ALSO = ("unscaled-input", "ill-conditioned", "constant-feature")
STEPS = 400


def make(seed, faulty=True):
    c = 17 + 4 * torch.randn(1000, 6)
    y = standard(c[:, :1] - c[:, 1:2] + 0.1 * c[:, 2:3] * c[:, 3:4])
    x = (c + 273.15) / 100 if faulty else standard(c)
    net = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 50))
