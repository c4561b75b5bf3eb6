"""One missing reading in the table was read as nan."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "nonfinite-data"
STEPS = 200


def make(seed, faulty=True):
    x, y = table("breast_cancer")
    x = standard(x)
    x[123, 4] = float("nan")
    if not faulty:
        x = x.nan_to_num(0.0)
    net = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
