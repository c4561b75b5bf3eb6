"""Trains, validates in eval mode without gradients, and goes back to training mode."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def loop(training, run, steps):
    model, optimizer = training.model, training.optimizer
    step = 0
    while step < steps:
        model.train()
        for x, y in training.batches:
            loss = run.loss(training.loss_fn(model(x), y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            model(training.batches.x[:500]).argmax(1)


def make(seed):
    net = nn.Sequential(
        nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
