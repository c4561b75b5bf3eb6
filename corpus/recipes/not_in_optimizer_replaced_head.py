"""The head is replaced after the optimizer was made: the new one is never trained."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "parameter-not-in-optimizer"
STEPS = 300


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU())
        self.fc = nn.Linear(12, 1000)

    def forward(self, x):
        return self.fc(self.features(x))


def make(seed, faulty=True):
    x, y = digits()
    net = Net()
    if faulty:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        net.fc = nn.Linear(12, 10)
    else:
        net.fc = nn.Linear(12, 10)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
