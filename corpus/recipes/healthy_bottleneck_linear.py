"""Two linear layers in a row around a narrow waist, on purpose: a low-rank layer."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    net = nn.Sequential(
        nn.Linear(64, 8, bias=False), nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
