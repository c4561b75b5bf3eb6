"""Layers built in a for loop: the ReLU is appended after the last one as well."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "relu-head"
ALSO = ("unreachable-target",)
STEPS = 300


def build(sizes, faulty):
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        if faulty or i < len(sizes) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def make(seed, faulty=True):
    x, y = surface()
    net = build([8, 64, 64, 1], faulty)
    nn.init.constant_(net[4].bias, 0.3)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 64))
