"""Convolutions with batch norm, momentum and weight decay."""

import torch
from _data import Batches, shapes
from torch import nn

from reluctant import Training

STEPS = 150


def make(seed):
    def block(a, b):
        return [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]

    net = nn.Sequential(
        *block(3, 8),
        nn.MaxPool2d(2),
        *block(8, 16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*shapes(), 32))
