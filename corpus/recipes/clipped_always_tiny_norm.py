"""Gradients clipped to a norm of 0.001 "for stability": every step is cut to nothing."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "clipped-always"
STEPS = 400


def loop(training, run, steps, faulty=True):
    for _ in range(steps):
        x, y = training.next_batch()
        training.optimizer.zero_grad()
        loss = run.loss(training.loss_fn(training.model(x), y))
        loss.backward()
        nn.utils.clip_grad_norm_(training.model.parameters(), 1e-3 if faulty else 5.0)
        training.optimizer.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
