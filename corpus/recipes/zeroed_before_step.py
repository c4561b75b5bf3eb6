"""backward, then zero_grad, then step: each step applies a gradient of zero."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "no-gradient"
ALSO = ("step-without-backward", "gradients-not-zeroed")
STEPS = 200


def loop(training, run, steps, faulty=True):
    for _ in range(steps):
        x, y = training.next_batch()
        out = training.model(x)
        loss = run.loss(training.loss_fn(out, y))
        if not faulty:
            training.optimizer.zero_grad()
        loss.backward()
        if faulty:
            training.optimizer.zero_grad()
        training.optimizer.step()


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
