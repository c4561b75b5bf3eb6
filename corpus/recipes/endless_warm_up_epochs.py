"""A warm-up of ten thousand steps, copied from a large model, in a run of four hundred."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "endless-warm-up"
ALSO = ("step-too-small",)
STEPS = 400


def loop(training, run, steps, faulty=True):
    warm_up = 10_000 if faulty else 20
    schedule = torch.optim.lr_scheduler.LambdaLR(
        training.optimizer, lambda i: min(1.0, (i + 1) / warm_up)
    )
    for _ in range(steps):
        training.step(1, look=run.loss)
        schedule.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
