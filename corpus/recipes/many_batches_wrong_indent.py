"""step() stands outside the loop over batches: one step an epoch on all that added up."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "many-batches-a-step"
ALSO = ("step-past-limit", "sum-reduction")
STEPS = 40


def loop(training, run, steps, faulty=True):
    optimizer = training.optimizer
    for _ in range(steps if faulty else 4):
        optimizer.zero_grad()
        for x, y in training.batches:
            if not faulty:
                optimizer.zero_grad()
            loss = run.loss(training.loss_fn(training.model(x), y))
            loss.backward()
            if not faulty:
                optimizer.step()
        if faulty:
            optimizer.step()


def make(seed, faulty=True):
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 32))
