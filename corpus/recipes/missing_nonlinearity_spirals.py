"""Four linear layers and nothing between them, on two spirals."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "missing-nonlinearity"
STEPS = 400


class Net(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.a, self.b = nn.Linear(2, 32), nn.Linear(32, 32)
        self.c = nn.Linear(32, 2)
        self.act = nn.Identity() if faulty else nn.Tanh()

    def forward(self, x):
        x = self.act(self.a(x))
        x = self.act(self.b(x))
        return self.c(x)


def make(seed, faulty=True):
    net = Net(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*spirals(), 50))
