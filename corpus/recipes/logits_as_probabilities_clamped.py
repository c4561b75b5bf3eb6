"""BCELoss needs probabilities, so the raw output is clamped into [0, 1]."""

import torch
import torch.nn.functional as F
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "logits-as-probabilities"
STEPS = 300


def make(seed, faulty=True):
    x, y = table("breast_cancer")
    y = y.float()[:, None]

    def loss_fn(z, y):
        p = z.clamp(0, 1) if faulty else torch.sigmoid(z)
        return F.binary_cross_entropy(p, y)

    net = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, loss_fn, optimizer, Batches(standard(x), y, 32))
