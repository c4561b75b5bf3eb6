"""ReLU outputs, squared error to one-hot, minibatch 1: at this rate the outputs die."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
STEPS = 1500


def score(net):
    x, y = digits()
    return float((net(x).argmax(1) == y).float().mean())


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10), nn.ReLU())
    for layer in (net[0], net[2]):
        nn.init.normal_(layer.weight, 0, 0.05)
        nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.25 if faulty else 0.02)
    target = F.one_hot(y, 10).float()
    return Training(net, nn.MSELoss(reduction="sum"), optimizer, Batches(x, target, 1))
