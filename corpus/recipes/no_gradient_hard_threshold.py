"""A layer of hard thresholds, (x > 0).float(): no gradient passes it."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "no-gradient"
STEPS = 400


class Binary(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 12), nn.Linear(12, 10)
        self.faulty = faulty

    def forward(self, x):
        h = self.fc1(x)
        if self.faulty:
            h = (h > 0).float()
        else:
            h = torch.sigmoid(4 * h)
        return self.fc2(h)


def make(seed, faulty=True):
    x, y = digits()
    net = Binary(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
