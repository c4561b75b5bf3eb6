"""weight_decay=0.5 with SGD: the weights are pulled to zero faster than they learn."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "excessive-weight-decay"
ALSO = ("cannot-overfit-one-batch",)
STEPS = 300


def make(seed, faulty=True):
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.5 if faulty else 1e-4)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
