"""Fifteen ReLU layers as PyTorch initializes them by default: too small for that depth."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "scale-too-small"
ALSO = ("wrong-scheme-for-activation",)
STEPS = 500


def make(seed, faulty=True):
    x, y = digits()
    layers = [nn.Linear(64, 64), nn.ReLU()]
    for _ in range(14):
        layers += [nn.Linear(64, 64), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(64, 10))
    if not faulty:
        for m in net:
            if isinstance(m, nn.Linear):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
