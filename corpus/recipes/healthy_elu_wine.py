"""ELU on the standardized wine table, RMSprop, small batches."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, y = table("wine")
    net = nn.Sequential(nn.Linear(13, 32), nn.ELU(), nn.Linear(32, 16), nn.ELU(), nn.Linear(16, 3))
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(standard(x), y, 16))
