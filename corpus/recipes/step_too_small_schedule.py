"""StepLR meant for epochs, but stepped at every batch: the rate is gone after fifty."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "rate-gone-early"
ALSO = ("step-too-small",)
STEPS = 400


def loop(training, run, steps, faulty=True):
    optimizer = training.optimizer
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    for step in range(1, steps + 1):
        x, y = training.next_batch()
        optimizer.zero_grad()
        loss = run.loss(training.loss_fn(training.model(x), y))
        loss.backward()
        optimizer.step()
        if faulty or step % len(training.batches) == 0:
            scheduler.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
