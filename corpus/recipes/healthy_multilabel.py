"""Six labels at once, BCEWithLogitsLoss, some of them rare."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x = torch.randn(1500, 20)
    cut = torch.tensor([0.0, 1, 2, 4, 6, 8])
    y = (x @ torch.randn(20, 6) > cut).float()
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 6))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Batches(x, y, 64))
