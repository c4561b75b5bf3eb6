"""One body, two heads, two losses."""

import torch
import torch.nn.functional as F
from _data import Batches, digits, standard
from torch import nn

from reluctant import Training

STEPS = 300


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit, self.ink = nn.Linear(64, 10), nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x)
        return {"digit": self.digit(h), "ink": self.ink(h)}


def make(seed):
    x, y = digits()
    target = torch.cat([y[:, None].float(), standard(x.mean(1, keepdim=True))], 1)

    def loss_fn(out, t):
        digit = F.cross_entropy(out["digit"], t[:, 0].long())
        return digit + 0.5 * F.mse_loss(out["ink"], t[:, 1:])

    net = TwoHeads()
    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=2e-3), Batches(x, target))
