"""`model.half()` with Adam as it comes: epsilon and the mean of squares are 0 in float16."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "half-precision-underflow"
ALSO = ("nonfinite-loss",)
STEPS = 100


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    if faulty:
        net, x = net.half(), x.half()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    loss_fn = nn.CrossEntropyLoss()
    return Training(net, lambda z, y: loss_fn(z.float(), y), optimizer, Batches(x, y, 64))
