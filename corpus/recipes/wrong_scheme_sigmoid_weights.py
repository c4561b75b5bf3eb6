"""Weights that suited logistic units, kept after the switch to ReLU: only the bias learns."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "wrong-scheme-for-activation"
ALSO = ("scale-too-small",)
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    sizes = [64, 60, 60, 60, 60, 60, 10]
    net = nn.Sequential()
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layer = nn.Linear(a, b)
        nn.init.uniform_(layer.weight, *((-0.05, 0.05) if faulty else (-0.3, 0.3)))
        nn.init.zeros_(layer.bias)
        net.append(layer)
        if i < 5:
            net.append(nn.ReLU())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 20))
