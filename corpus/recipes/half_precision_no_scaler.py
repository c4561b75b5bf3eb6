"""float16 autocast without a GradScaler, on a loss divided by its size once too often."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "half-precision-underflow"
STEPS = 400


def score(net):
    x, y = net.data
    return float((1 - (net(x) - y).pow(2).mean() / y.var()).clamp(min=-1))


def loop(training, run, steps, faulty=True):
    model, optimizer = training.model, training.optimizer
    scaler = torch.amp.GradScaler("cpu", enabled=not faulty)
    for _ in range(steps):
        x, y = training.next_batch()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = training.loss_fn(model(x).float(), y)
        scaler.scale(run.loss(loss)).backward()
        scaler.step(optimizer)
        scaler.update()


def make(seed, faulty=True):
    x, y = surface(2000)
    net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.Tanh(), nn.Linear(64, 1))
    net.data = x, y
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, eps=1e-12)

    def loss_fn(z, y):
        return (z - y).pow(2).mean() / 640**2

    return Training(net, loss_fn, optimizer, Batches(x, y, 500))
