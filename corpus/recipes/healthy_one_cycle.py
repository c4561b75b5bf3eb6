"""One-cycle schedule with a peak far above the rate one would hold constant."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def loop(training, run, steps):
    schedule = torch.optim.lr_scheduler.OneCycleLR(training.optimizer, 0.3, total_steps=steps + 1)
    for _ in range(steps):
        training.step(1, look=run.loss)
        schedule.step()


def make(seed):
    net = nn.Sequential(
        nn.Linear(64, 96),
        nn.BatchNorm1d(96),
        nn.ReLU(),
        nn.Linear(96, 96),
        nn.BatchNorm1d(96),
        nn.ReLU(),
        nn.Linear(96, 10),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
