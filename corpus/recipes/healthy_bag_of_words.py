"""Word counts: nearly all inputs are zero, many words are rare."""

import torch
from _data import Batches, words
from torch import nn

from reluctant import Training

STEPS = 250


def make(seed):
    x, y = words()
    net = nn.Sequential(nn.Linear(500, 64), nn.ReLU(), nn.Linear(64, 5))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
