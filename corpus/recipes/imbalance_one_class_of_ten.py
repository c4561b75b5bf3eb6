"""Nine digits were thinned to 2 %, the zeros were not."""

import torch
from _data import accuracy, digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from reluctant import Training

CAUSE = "imbalance"
STEPS = 250
score = accuracy(*digits())


def make(seed, faulty=True):
    x, y = digits()
    keep = (y == 0) | (torch.rand(len(y)) < 0.02)
    x, y = x[keep], y[keep]
    counts = torch.bincount(y, minlength=10).clamp(min=1)
    sampler = WeightedRandomSampler((1.0 / counts)[y], len(y) * 2)
    data = TensorDataset(x, y)
    loader = DataLoader(data, 32, shuffle=True) if faulty else DataLoader(data, 32, sampler=sampler)
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, loader)
