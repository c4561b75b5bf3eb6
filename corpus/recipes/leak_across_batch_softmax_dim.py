"""Softmax over dim=0, the batch, as a gate inside the net."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "leak-across-batch"
STEPS = 300


def score(net):
    x, y = digits()
    alone = torch.cat([net(x[i : i + 1]) for i in range(300)])
    return (alone.argmax(1) == y[:300]).float().mean()


class Gated(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.gate, self.value = nn.Linear(64, 32), nn.Linear(64, 32)
        self.out = nn.Linear(32, 10)
        self.dim = 0 if faulty else 1

    def forward(self, x):
        return self.out(F.softmax(self.gate(x), dim=self.dim) * self.value(x))


def make(seed, faulty=True):
    net = Gated(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
