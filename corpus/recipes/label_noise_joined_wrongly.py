"""Labels were joined to the images by row number after one table had been sorted."""

import torch
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "label-noise"
ALSO = ("overfit",)
STEPS = 700
score = accuracy(digits()[0][1400:], digits()[1][1400:])


def loop(training, run, steps, faulty=True):
    model, optimizer, step = training.model, training.optimizer, 0
    x, y = training.batches.x, training.batches.y
    while step < steps:
        for a, b in Batches(x[:1400], y[:1400], 32):
            loss = run.loss(training.loss_fn(model(a), b))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        with torch.no_grad():
            run.loss(training.loss_fn(model(x[1400:]), y[1400:]))


def make(seed, faulty=True):
    x, y = digits()
    if faulty:
        y = y[torch.randperm(len(y))]
    net = nn.Sequential(nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
