"""MLP with dropout 0.5, Adam and weight decay."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 400


def make(seed):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
