"""The data are sorted by class and the loader does not shuffle."""

import torch
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "unshuffled"
STEPS = 400
score = accuracy(*digits())


def make(seed, faulty=True):
    x, y = digits()
    order = y.argsort(stable=True)
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    loader = Batches(x[order], y[order], 32, shuffle=not faulty)
    return Training(net, nn.CrossEntropyLoss(), optimizer, loader)
