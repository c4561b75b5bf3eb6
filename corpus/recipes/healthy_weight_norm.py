"""Weight normalization on all layers."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    wn = nn.utils.parametrizations.weight_norm
    net = nn.Sequential(
        wn(nn.Linear(64, 64)), nn.ReLU(), wn(nn.Linear(64, 64)), nn.ReLU(), wn(nn.Linear(64, 10))
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
