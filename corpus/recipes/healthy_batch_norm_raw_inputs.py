"""Raw columns of very different scale, but batch norm stands in front."""

import torch
from _data import Batches, table
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, y = table("wine")
    net = nn.Sequential(nn.BatchNorm1d(13), nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
