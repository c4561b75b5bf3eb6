"""Tumor measurements as they come, from 0.001 to 4,000, SGD."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "unscaled-input"
STEPS = 300


def make(seed, faulty=True):
    x, y = table("breast_cancer")
    x = x if faulty else standard(x)
    net = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    y = y.float()[:, None]
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Batches(x, y, 32))
