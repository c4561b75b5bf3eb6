"""All weights in bfloat16, with steps of Adam that are long enough for it."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 400


def make(seed):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).bfloat16()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    loss_fn = nn.CrossEntropyLoss()
    batches = Batches(x.bfloat16(), y, 64)
    return Training(net, lambda z, y: loss_fn(z.float(), y), optimizer, batches)
