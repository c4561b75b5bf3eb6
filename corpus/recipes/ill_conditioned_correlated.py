"""Linear regression on columns that are nearly copies of each other, plain SGD."""

import torch
from _data import Batches, standard
from torch import nn

from reluctant import Training

CAUSE = "ill-conditioned"
STEPS = 400


def make(seed, faulty=True):
    common = torch.randn(800, 1)
    x = common + 0.03 * torch.randn(800, 6)
    y = x @ torch.tensor([[20.0], [-20], [10], [-10], [15], [-15]])
    x = standard(x)
    if not faulty:  # whiten
        u, s, v = torch.linalg.svd(x, full_matrices=False)
        x = u * 800**0.5
    net = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, y, 80))
