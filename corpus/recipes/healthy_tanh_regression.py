"""A tanh net on Friedman's surface with Adagrad."""

import torch
from _data import Batches, surface
from torch import nn

from reluctant import Training

STEPS = 400


def make(seed):
    net = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adagrad(net.parameters(), lr=0.02)
    return Training(net, nn.MSELoss(), optimizer, Batches(*surface(), 32))
