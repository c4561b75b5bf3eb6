"""A trained net continues on other data at a small rate, the body slower than the head."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 200


def make(seed):
    x, y = digits()
    body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    head = nn.Linear(64, 10)
    net = nn.Sequential(body, head)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(150):
        i = torch.randint(900, (64,))
        optimizer.zero_grad()
        F.cross_entropy(net(x[i]), y[i]).backward()
        optimizer.step()
    groups = [{"params": body.parameters(), "lr": 1e-5}, {"params": head.parameters()}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x[900:], y[900:], 32))
