"""next(iter(loader)) inside the loop, without shuffling: always the first batch."""

import torch
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "duplicate-batch"
STEPS = 300
score = accuracy(*digits())


def loop(training, run, steps, faulty=True):
    batches = iter(training.batches)
    for _ in range(steps):
        if faulty:
            x, y = next(iter(training.batches))
        else:
            x, y = next(batches, None) or next(batches := iter(training.batches))
        loss = run.loss(training.loss_fn(training.model(x), y))
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32, shuffle=False))
