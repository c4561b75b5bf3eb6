"""A hundred noisy digits for a wide network: learnt by heart, worse and worse on others."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "overfit"
STEPS = 500
HARM = "held-out digits are told worse and worse"


def loop(training, run, steps, faulty=True):
    model, optimizer, step = training.model, training.optimizer, 0
    while step < steps:
        for x, y in training.batches:
            loss = run.loss(training.loss_fn(model(x), y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        with torch.no_grad():
            run.loss(training.loss_fn(model(model.held[0]), model.held[1]))


def make(seed, faulty=True):
    x, y = digits()
    x = x + 0.6 * torch.randn(x.shape) if faulty else x
    part = 100 if faulty else 1400
    net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    net.held = x[1400:], y[1400:]
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x[:part], y[:part], 20))
