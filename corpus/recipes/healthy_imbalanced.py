"""Four percent of the samples are positive, and they can be told apart."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 400


def make(seed):
    y = (torch.rand(2000, 1) < 0.04).float()
    x = torch.randn(2000, 20) + 1.5 * y * torch.linspace(-1, 1, 20)
    net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Batches(x, y, 128))
