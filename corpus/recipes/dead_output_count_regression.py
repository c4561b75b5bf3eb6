"""Counts, so "the output cannot be negative": ReLU at the end, its bias started at -3."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "dead-output-unit"
ALSO = ("relu-head", "born-dead-unit")
STEPS = 400


class Counts(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
        if faulty:
            nn.init.constant_(self.body[2].bias, -3.0)
        self.last = nn.ReLU() if faulty else nn.Softplus()

    def forward(self, x):
        return self.last(self.body(x))


def make(seed, faulty=True):
    x = torch.randn(800, 8)
    y = torch.poisson((0.5 * x[:, :3].sum(1, keepdim=True)).exp())
    net = Counts(faulty)
    return Training(
        net, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=3e-3), Batches(x, y, 32)
    )
