"""Layers kept in a Python list: parameters() does not know them."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "parameter-not-in-optimizer"
STEPS = 400


class Net(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        layers = [nn.Linear(2, 24), nn.Linear(24, 24)]
        self.hidden = layers if faulty else nn.ModuleList(layers)
        self.out = nn.Linear(24, 2)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.out(x)


def make(seed, faulty=True):
    x, y = spirals()
    net = Net(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 50))
