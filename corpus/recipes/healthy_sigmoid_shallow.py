"""One hidden layer of sigmoids, as in an old textbook, squared error to one-hot."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 900


def make(seed):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 30), nn.Sigmoid(), nn.Linear(30, 10), nn.Sigmoid())
    target = F.one_hot(y, 10).float()
    optimizer = torch.optim.SGD(net.parameters(), lr=3.0)
    loss_fn = lambda z, t: 0.5 * (z - t).pow(2).sum(1).mean()  # noqa: E731
    return Training(net, loss_fn, optimizer, Batches(x, target, 10))
