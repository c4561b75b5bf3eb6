"""The batch of the warm-up is reused: x, y are never assigned in the main loop."""

import torch
from _data import Batches, shapes
from torch import nn

from reluctant import Training

CAUSE = "duplicate-batch"
STEPS = 250


def score(net):
    return (net(net.x).argmax(1) == net.y).float().mean()


def loop(training, run, steps, faulty=True):
    x, y = training.next_batch()
    for _ in range(steps):
        if not faulty:
            x, y = training.next_batch()
        loss = run.loss(training.loss_fn(training.model(x), y))
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()


def make(seed, faulty=True):
    x, y = shapes()
    conv1, conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3)
    last = nn.Linear(144, 3)
    net = nn.Sequential(conv1, nn.ReLU(), nn.MaxPool2d(2), conv2, nn.ReLU(), nn.Flatten(), last)
    net.x, net.y = x, y
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 16))
