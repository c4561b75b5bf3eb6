"""One percent positives in weak signal: the net answers "no" to everything."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "imbalance"
STEPS = 400


def score(net):
    x, y = net.data
    guess = net(x) > 0
    return 0.5 * guess[y > 0].float().mean() + 0.5 * (~guess[y == 0]).float().mean()


def make(seed, faulty=True):
    y = (torch.rand(4000, 1) < 0.01).float()
    x = torch.randn(4000, 10) + 0.8 * y
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
    net.data = x, y
    weight = None if faulty else torch.tensor([99.0])
    loss_fn = nn.BCEWithLogitsLoss(pos_weight=weight)
    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=1e-3), Batches(x, y, 64))
