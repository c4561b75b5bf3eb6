"""Glorot's scheme, made for tanh, in twenty-four ReLU layers."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "wrong-scheme-for-activation"
ALSO = ("scale-too-small",)
STEPS = 300


def block(n_in, n_out, gain):
    layer = nn.Linear(n_in, n_out)
    nn.init.xavier_normal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return [layer, nn.ReLU()]


def make(seed, faulty=True):
    x, y = digits()
    gain = 1.0 if faulty else nn.init.calculate_gain("relu")
    layers = block(64, 48, gain)
    for _ in range(23):
        layers += block(48, 48, gain)
    net = nn.Sequential(*layers, nn.Linear(48, 10))
    return Training(
        net,
        F.cross_entropy,
        torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9),
        Batches(x, y),
    )
