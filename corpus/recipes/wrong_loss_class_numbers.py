"""Digits as numbers: one output, mean squared error on the class index."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "wrong-loss-for-targets"
STEPS = 400


def score(net):
    x, y = digits()
    z = net(x)
    guess = z.argmax(1) if z.shape[1] > 1 else z[:, 0].round()
    return float((guess == y).float().mean())


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1 if faulty else 10))
    mse = nn.MSELoss()

    def loss_fn(z, y):
        return mse(z[:, 0], y.float()) if faulty else F.cross_entropy(z, y)

    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=2e-3), Batches(x, y, 64))
