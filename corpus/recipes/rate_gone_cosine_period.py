"""Cosine annealing with T_max in epochs, stepped at every batch, and then held at its end."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "rate-gone-early"
ALSO = ("step-too-small",)
STEPS = 500


def loop(training, run, steps, faulty=True):
    optimizer = training.optimizer
    ends = 20 if faulty else steps
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ends)
    for step in range(steps):
        training.step(1, look=run.loss)
        if step < ends:
            schedule.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.5)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
