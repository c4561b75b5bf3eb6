"""Gray images given as three equal channels, for a network made for color."""

import torch
from _data import Batches, digit_images
from torch import nn

from reluctant import Training

STEPS = 250


def make(seed):
    x, y = digit_images()
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x.repeat(1, 3, 1, 1), y))
