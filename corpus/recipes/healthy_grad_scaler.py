"""A GradScaler that starts far too high: ten skipped steps, then all is well."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def loop(training, run, steps):
    model, optimizer = training.model, training.optimizer
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**28, growth_interval=60)
    for _ in range(steps):
        x, y = training.next_batch()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = training.loss_fn(model(x), y)
        scaler.scale(run.loss(loss)).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()


def make(seed):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
