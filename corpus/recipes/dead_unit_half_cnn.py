"""Half of the channels of a small CNN are silent: a bad checkpoint."""

import torch
import torch.nn.functional as F
from _data import Batches, digit_images
from torch import nn

from reluctant import Training

CAUSE = "dead-unit"
ALSO = ("born-dead-unit",)
STEPS = 300


def make(seed, faulty=True):
    x, y = digit_images()
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    if faulty:
        with torch.no_grad():
            net[3].bias[::2] = -12
    return Training(
        net, F.cross_entropy, torch.optim.Adam(net.parameters(), lr=3e-3), Batches(x, y, 64)
    )
