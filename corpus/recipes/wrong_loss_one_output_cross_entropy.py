"""Two classes, one output, CrossEntropyLoss on floats: softmax over one number is 1."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "wrong-loss-for-targets"
STEPS = 300


def score(net):
    x, y = table("breast_cancer")
    return float(((net(standard(x))[:, 0] > 0) == (y > 0)).float().mean())


def make(seed, faulty=True):
    x, y = table("breast_cancer")
    y = y.float()[:, None]
    net = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
    loss_fn = nn.CrossEntropyLoss() if faulty else nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, loss_fn, optimizer, Batches(standard(x), y, 32))
