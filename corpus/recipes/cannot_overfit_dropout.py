"""Dropout 0.95 on inputs and hidden layer."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "cannot-overfit-one-batch"
ALSO = ("underfit-plateau", "excessive-dropout")
STEPS = 400


def make(seed, faulty=True):
    p = 0.95 if faulty else 0.2
    net = nn.Sequential(
        nn.Dropout(p), nn.Linear(64, 48), nn.ReLU(), nn.Dropout(p), nn.Linear(48, 10)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
