"""GELU and layer norm, AdamW with warm-up and cosine."""

import math

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def loop(training, run, steps):
    def rate(step):
        warm = min(1.0, (step + 1) / 30)
        return warm * 0.5 * (1 + math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(training.optimizer, rate)
    for _ in range(steps):
        training.step(1, look=run.loss)
        schedule.step()


def make(seed):
    net = nn.Sequential(
        nn.Linear(64, 96),
        nn.LayerNorm(96),
        nn.GELU(),
        nn.Linear(96, 96),
        nn.LayerNorm(96),
        nn.GELU(),
        nn.Linear(96, 10),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
