"""Batches of four at a constant rate: the loss stops falling far above what decay reaches."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "noise-floor"
STEPS = 1200


def score(net):
    x, y = net.data
    return float(-20 * (net(x) - y).pow(2).mean())


def loop(training, run, steps, faulty=True):
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(training.optimizer, steps)
    for _ in range(steps):
        training.step(1, look=run.loss)
        if not faulty:
            decay.step()


def make(seed, faulty=True):
    x = torch.randn(2000, 20)
    clean = x @ torch.randn(20, 1) / 3
    net = nn.Linear(20, 1)
    net.data = x, clean
    optimizer = torch.optim.SGD(net.parameters(), lr=0.04)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, clean + torch.randn(2000, 1), 4))
