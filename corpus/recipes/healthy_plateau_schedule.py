"""ReduceLROnPlateau on a noisy regression: the rate is gone because nothing is left."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 900


def loop(training, run, steps):
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        training.optimizer, factor=0.2, patience=2
    )
    epoch = len(training.batches)
    losses = []
    for step in range(1, steps + 1):
        training.step(1, look=lambda loss: losses.append(float(loss)) or run.loss(loss))
        if step % epoch == 0:
            schedule.step(sum(losses[-epoch:]) / epoch)


def make(seed):
    x = torch.randn(1000, 10)
    y = x @ torch.randn(10, 1) / 3 + 0.7 * torch.randn(1000, 1)
    net = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 50))
