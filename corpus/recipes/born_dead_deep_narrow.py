"""Twelve ReLU layers, three units wide: mostly dead before the first step."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "born-dead-unit"
ALSO = ("dead-layer", "dead-unit")
STEPS = 500


def make(seed, faulty=True):
    x, y = surface()
    width, depth = (3, 12) if faulty else (24, 3)
    layers = [nn.Linear(8, width), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(width, 1))
    for m in net:
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight)
            nn.init.zeros_(m.bias)
    return Training(net, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=2e-3), Batches(x, y))
