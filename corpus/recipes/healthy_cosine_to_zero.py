"""Warm-up, then a cosine down to exactly zero; the last steps hardly move."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 400


def loop(training, run, steps):
    optimizer = training.optimizer
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=40)
    down = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - 40)
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, down], [40])
    for _ in range(steps):
        training.step(1, look=run.loss)
        both.step()


def make(seed):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
