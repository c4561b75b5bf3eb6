"""SGD at lr=1e-5: "the loss hardly moves"."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "step-too-small"
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-5 if faulty else 0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
