"""A frozen feature extractor and a new head, with requires_grad off as in the tutorial."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def pretrain(net, x, y):
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(150):
        i = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        F.cross_entropy(net(x[i]), y[i]).backward()
        optimizer.step()


def make(seed):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5)
    )
    pretrain(net, x, y // 2)
    for p in net.parameters():
        p.requires_grad = False
    net[4] = nn.Linear(64, 10)
    optimizer = torch.optim.SGD(net[4].parameters(), lr=0.1, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
