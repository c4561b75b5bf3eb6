"""Focal loss on rare positives."""

import torch
import torch.nn.functional as F
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 300


def focal(z, y, gamma=2.0):
    ce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    p = torch.exp(-ce)
    return ((1 - p) ** gamma * ce).mean() * 10


def make(seed):
    y = (torch.rand(3000, 1) < 0.05).float()
    x = torch.randn(3000, 12) + 1.2 * y
    net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1))
    return Training(net, focal, torch.optim.Adam(net.parameters(), lr=3e-3), Batches(x, y, 128))
