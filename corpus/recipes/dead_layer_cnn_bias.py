"""A CNN whose second convolution got biases of -6 from a botched conversion."""

import torch
import torch.nn.functional as F
from _data import Batches, shapes
from torch import nn

from reluctant import Training

CAUSE = "dead-layer"
ALSO = ("born-dead-unit", "dead-unit")
STEPS = 250


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        return self.fc(x.mean((2, 3)))


def make(seed, faulty=True):
    x, y = shapes()
    net = Net()
    if faulty:
        nn.init.constant_(net.conv2.bias, -6)
    return Training(
        net, F.cross_entropy, torch.optim.Adam(net.parameters(), 2e-3), Batches(x, y, 32)
    )
