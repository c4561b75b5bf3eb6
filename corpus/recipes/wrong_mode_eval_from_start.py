"""model.eval() is called once before training: batch norm never sees a statistic."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "wrong-mode"
STEPS = 200


def make(seed, faulty=True):
    x, y = digits()
    layers = []
    for a, b in [(64, 64), *[(64, 64)] * 5]:
        layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(64, 10))
    if faulty:
        net.eval()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
