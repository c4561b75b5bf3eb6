"""zero_grad() forgotten with Adam: the loss still falls, then it swings."""

import torch
import torch.nn.functional as F
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "gradients-not-zeroed"
STEPS = 400


def loop(training, run, steps, faulty=True):
    for _ in range(steps):
        x, y = training.next_batch()
        prediction = training.model(x)
        loss = run.loss(F.mse_loss(prediction, y))
        loss.backward()
        training.optimizer.step()
        if not faulty:
            training.optimizer.zero_grad()


def make(seed, faulty=True):
    net = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, F.mse_loss, optimizer, Batches(*surface(), 32))
