"""Forty residual blocks without any norm, each adding as much as it gets."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "exploded-activation"
ALSO = ("scale-too-large", "exploding-gradient")
STEPS = 200


class Deep(nn.Module):
    def __init__(self, faulty, width=32, depth=40):
        super().__init__()
        self.stem = nn.Linear(64, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        for block in self.blocks:
            nn.init.kaiming_normal_(block.weight)
        self.head = nn.Linear(width, 10)
        self.norm = nn.Identity() if faulty else nn.LayerNorm(width)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + F.relu(block(self.norm(x)))
        return self.head(self.norm(x))


def make(seed, faulty=True):
    x, y = digits()
    net = Deep(faulty)
    return Training(
        net, F.cross_entropy, torch.optim.Adam(net.parameters(), lr=1e-3), Batches(x, y)
    )
