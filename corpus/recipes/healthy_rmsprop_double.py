"""RMSprop with momentum for a small tanh CNN in double precision."""

import torch
from _data import Batches, digit_images
from torch import nn

from reluctant import Training

STEPS = 150


def make(seed):
    x, y = digit_images()
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(72, 10)
    ).double()
    optimizer = torch.optim.RMSprop(net.parameters(), lr=2e-3, momentum=0.5)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x.double(), y, 32))
