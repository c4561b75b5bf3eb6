"""loss.backward() was commented out while debugging."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "step-without-backward"
ALSO = ("no-gradient",)
STEPS = 200


def loop(training, run, steps, faulty=True):
    for _ in range(steps):
        x, y = training.next_batch()
        training.optimizer.zero_grad()
        loss = run.loss(training.loss_fn(training.model(x), y))
        if not faulty:
            loss.backward()
        training.optimizer.step()


def make(seed, faulty=True):
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
