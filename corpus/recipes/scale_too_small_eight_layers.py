"""Eight layers, all weights from N(0, 0.01): loss stays at log 10."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "scale-too-small"
STEPS = 400


class MLP(nn.Module):
    def __init__(self, std):
        super().__init__()
        sizes = [64] + [50] * 7 + [10]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        for layer in self.layers:
            nn.init.normal_(layer.weight, 0, std or (2 / layer.in_features) ** 0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def make(seed, faulty=True):
    x, y = digits()
    net = MLP(0.01 if faulty else None)
    return Training(net, F.cross_entropy, torch.optim.SGD(net.parameters(), lr=0.05), Batches(x, y))
