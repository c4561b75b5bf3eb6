"""Group norm, SiLU, strided convolutions, AdamW."""

import torch
from _data import Batches, shapes
from torch import nn

from reluctant import Training

STEPS = 150


def make(seed):
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(144, 3),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*shapes(), 32))
