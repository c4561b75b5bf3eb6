"""Gradients of four small batches added up before each step."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 150


def loop(training, run, steps):
    for _ in range(steps):
        training.optimizer.zero_grad()
        for _ in range(4):
            x, y = training.next_batch()
            loss = run.loss(training.loss_fn(training.model(x), y) / 4)
            loss.backward()
        training.optimizer.step()


def make(seed):
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 16))
