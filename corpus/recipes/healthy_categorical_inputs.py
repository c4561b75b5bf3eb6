"""One-hot columns, some of them very rare, beside a few numbers."""

import torch
import torch.nn.functional as F
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 400


def make(seed):
    category = (40 * torch.rand(2000) ** 3).long()
    numbers = torch.randn(2000, 4)
    effect = torch.randn(40)[category]
    y = (effect + numbers[:, 0] * numbers[:, 1] + 0.1 * torch.randn(2000))[:, None]
    x = torch.cat([F.one_hot(category, 40).float(), numbers], 1)
    net = nn.Sequential(nn.Linear(44, 64), nn.ReLU(), nn.Linear(64, 1))
    return Training(net, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=3e-3), Batches(x, y))
