"""Trained on long after it fits all 300 samples perfectly."""

import torch
from _data import digits
from torch import nn

from reluctant import Training

STEPS = 700


def make(seed):
    x, y = digits()
    x, y = x[:300], y[:300]
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, [(x, y)])
