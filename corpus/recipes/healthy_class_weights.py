"""Unbalanced classes with weights in the loss."""

import torch
from _data import Batches, blobs
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, y = blobs(4, 16, size=2000, spread=1.2)
    keep = torch.rand(2000) < torch.tensor([1.0, 0.3, 0.1, 0.05])[y]
    x, y = x[keep], y[keep]
    weight = len(y) / (4.0 * torch.bincount(y, minlength=4))
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(weight=weight), optimizer, Batches(x, y, 32))
