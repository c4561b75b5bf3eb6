"""Weights started at zero, because "it will learn them anyway"."""

import torch
from _data import Batches, blobs
from torch import nn

from reluctant import Training

CAUSE = "symmetric-init"
ALSO = ("scale-too-small", "merged-units")
STEPS = 300


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.zeros_(m.weight)
        nn.init.zeros_(m.bias)


def make(seed, faulty=True):
    x, y = blobs(4, 20)
    net = nn.Sequential(
        nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 4)
    )
    if faulty:
        net.apply(init_weights)
    return Training(
        net, nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=1e-3), Batches(x, y)
    )
