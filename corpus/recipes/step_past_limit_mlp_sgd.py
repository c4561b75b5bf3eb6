"""SGD at lr=3 on digits: the loss jumps about."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
ALSO = ("divergence",)
STEPS = 300


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=3.0 if faulty else 0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
