"""SELU with LeCun's initial scale, six layers, SGD."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    layers = []
    for a, b in [(64, 64)] * 6:
        linear = nn.Linear(a, b)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="linear")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.SELU()]
    net = nn.Sequential(*layers, nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
