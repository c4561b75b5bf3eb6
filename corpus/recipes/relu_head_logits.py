"""ReLU after the last layer too: logits cannot be negative."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "relu-head"
STEPS = 400


class Net(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 10)
        self.faulty = faulty

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return F.relu(self.fc3(x)) if self.faulty else self.fc3(x)


def make(seed, faulty=True):
    x, y = digits()
    net = Net(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
