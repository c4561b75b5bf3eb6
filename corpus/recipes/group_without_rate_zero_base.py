"""A body with base rate 0 that a schedule was to raise; a factor of 0 stays 0."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "group-without-rate"
STEPS = 600


def loop(training, run, steps, faulty=True):
    warm = torch.optim.lr_scheduler.LambdaLR(training.optimizer, lambda i: min(1, (i + 1) / 30))
    for _ in range(steps):
        training.step(1, look=run.loss)
        warm.step()


def make(seed, faulty=True):
    x, y = spirals()
    body = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
    head = nn.Linear(32, 2)
    groups = [
        {"params": body.parameters(), "lr": 0.0 if faulty else 0.2},
        {"params": head.parameters(), "lr": 0.2},
    ]
    net = nn.Sequential(body, head)
    return Training(net, nn.CrossEntropyLoss(), torch.optim.SGD(groups), Batches(x, y, 50))
