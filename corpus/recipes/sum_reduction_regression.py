"""((y - t) ** 2).sum() written by hand, batch 64: the loss goes up."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

CAUSE = "sum-reduction"
STEPS = 300


def score(net):
    x, y = net.data
    value = (1 - (net(x) - y).pow(2).mean() / y.var()).nan_to_num(-1)
    return float(value.clamp(min=-1))


def make(seed, faulty=True):
    x, y = surface()

    def loss_fn(prediction, target):
        error = (prediction - target) ** 2
        return error.sum() if faulty else error.mean()

    net = nn.Sequential(nn.Linear(8, 48), nn.Tanh(), nn.Linear(48, 1))
    net.data = x, y
    return Training(net, loss_fn, torch.optim.SGD(net.parameters(), lr=0.05), Batches(x, y, 64))
