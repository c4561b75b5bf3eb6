"""reduction="sum" with a batch of 512 and the rate of the mean."""

import torch
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "sum-reduction"
STEPS = 200
score = accuracy(*digits())


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    loss_fn = nn.CrossEntropyLoss(reduction="sum" if faulty else "mean")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, loss_fn, optimizer, Batches(x, y, 512))
