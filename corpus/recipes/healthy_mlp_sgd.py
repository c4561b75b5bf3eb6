"""A plain MLP on digits with SGD."""

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from reluctant import Training

STEPS = 400


def make(seed):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(
        net, nn.CrossEntropyLoss(), optimizer, DataLoader(TensorDataset(x, y), 64, True)
    )
