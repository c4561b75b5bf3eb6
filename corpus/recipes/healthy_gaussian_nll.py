"""Mean and variance of a noisy target, GaussianNLLLoss: the loss may fall below zero."""

import torch
import torch.nn.functional as F
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 400


class MeanVar(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 48), nn.Tanh(), nn.Linear(48, 2))

    def forward(self, x):
        mean, raw = self.body(x).chunk(2, dim=1)
        return mean, F.softplus(raw) + 1e-3


def make(seed):
    x = torch.rand(1000, 1) * 4 - 2
    y = (2 * x).sin() + 0.1 * (1 + x.abs()) * torch.randn(1000, 1)
    net = MeanVar()
    loss_fn = lambda out, y: F.gaussian_nll_loss(out[0], y, out[1])  # noqa: E731
    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=5e-3), Batches(x, y, 50))
