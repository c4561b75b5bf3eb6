"""Maxout units and a high dropout on the input."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 400


class Maxout(nn.Module):
    def __init__(self, a, b, pieces=3):
        super().__init__()
        self.lin, self.shape = nn.Linear(a, b * pieces), (b, pieces)

    def forward(self, x):
        return self.lin(x).view(-1, *self.shape).amax(2)


def make(seed):
    net = nn.Sequential(
        nn.Dropout(0.2), Maxout(64, 40), nn.Dropout(0.5), Maxout(40, 40), nn.Linear(40, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
