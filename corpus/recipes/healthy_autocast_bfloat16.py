"""bfloat16 autocast over float32 weights, as one does it, to convergence."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 500


def loop(training, run, steps):
    model, optimizer = training.model, training.optimizer
    for _ in range(steps):
        x, y = training.next_batch()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss = training.loss_fn(model(x), y)
        run.loss(loss).backward()
        optimizer.step()


def make(seed):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.LayerNorm(128), nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
