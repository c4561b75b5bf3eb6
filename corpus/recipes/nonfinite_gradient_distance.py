"""Euclidean distance as sqrt(sum of squares): at distance zero its gradient is nan."""

import torch
import torch.nn.functional as F
from _data import Fresh, digits
from torch import nn

from reluctant import Training

CAUSE = "nonfinite-gradient"
ALSO = ("nonfinite-loss",)
STEPS = 200


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))

    def forward(self, a, b):
        return self.net(a), self.net(b)


def make(seed, faulty=True):
    x, y = digits()
    eps = 0.0 if faulty else 1e-6

    def draw():
        i, j = torch.randint(1797, (2, 64))
        return (x[i], x[j]), (y[i] == y[j]).float()

    def contrastive(pair, same):
        a, b = pair
        d = ((a - b).pow(2).sum(1) + eps).sqrt()
        return (same * d**2 + (1 - same) * F.relu(1 - d) ** 2).mean()

    net = Encoder()
    return Training(net, contrastive, torch.optim.Adam(net.parameters(), lr=1e-3), Fresh(draw))
