"""x[0:n] where x[i:i + n] was meant: the first 64 rows, for ever."""

import torch
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "duplicate-batch"
STEPS = 300
score = accuracy(*digits())


def loop(training, run, steps, faulty=True):
    x, y, n = training.batches.x, training.batches.y, 64
    for step in range(steps):
        i = 0 if faulty else step * n % (len(x) - n)
        loss = run.loss(training.loss_fn(training.model(x[i : i + n]), y[i : i + n]))
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
