"""Twenty tanh layers with orthogonal weights: deep, and fit to learn."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 250


def make(seed):
    layers = []
    for k in range(20):
        linear = nn.Linear(64, 64)
        nn.init.orthogonal_(linear.weight, 1.05)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    net = nn.Sequential(*layers, nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
