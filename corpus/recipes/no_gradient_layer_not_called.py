"""Two layers are made, one of them is never called in forward."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "no-gradient"
ALSO = ("frozen-parameter",)
STEPS = 400


class Net(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.fc1 = nn.Linear(2, 32)
        self.fc2 = nn.Linear(32, 32)
        self.fc3 = nn.Linear(32, 2)
        self.faulty = faulty

    def forward(self, x):
        h1 = torch.tanh(self.fc1(x))
        h2 = h1 if self.faulty else torch.tanh(self.fc2(h1))
        return self.fc3(h2)


def make(seed, faulty=True):
    x, y = spirals()
    net = Net(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 50))
