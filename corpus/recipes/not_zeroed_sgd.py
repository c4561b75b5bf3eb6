"""optimizer.zero_grad() is missing."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "gradients-not-zeroed"
STEPS = 400


def loop(training, run, steps, faulty=True):
    model, optimizer = training.model, training.optimizer
    criterion = nn.CrossEntropyLoss()
    for _ in range(steps):
        inputs, labels = training.next_batch()
        if not faulty:
            optimizer.zero_grad()
        loss = run.loss(criterion(model(inputs), labels))
        loss.backward()
        optimizer.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
