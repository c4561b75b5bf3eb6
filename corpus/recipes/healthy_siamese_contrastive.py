"""Pairs of digits, contrastive loss on embeddings."""

import torch
import torch.nn.functional as F
from _data import Fresh, digits
from torch import nn

from reluctant import Training

STEPS = 300


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))

    def forward(self, a, b):
        return F.pairwise_distance(self.net(a), self.net(b))


def make(seed):
    x, y = digits()

    def draw():
        i, j = torch.randint(len(x), (2, 64))
        return (x[i], x[j]), (y[i] == y[j]).float()

    def loss_fn(d, same):
        return (same * d**2 + (1 - same) * F.relu(1 - d) ** 2).mean()

    net = Encoder()
    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=1e-3), Fresh(draw))
