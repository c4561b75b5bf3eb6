"""Twelve sigmoid layers in a row."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "vanishing-gradient"
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    act = nn.Sigmoid if faulty else nn.SELU
    layers = [nn.Linear(64, 48), act()]
    for _ in range(11):
        layers += [nn.Linear(48, 48), act()]
    net = nn.Sequential(*layers, nn.Linear(48, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
