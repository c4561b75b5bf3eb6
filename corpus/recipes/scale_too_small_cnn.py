"""A CNN with TensorFlow's old truncated_normal(stddev=0.01) in every layer."""

import torch
from _data import Batches, shapes
from torch import nn

from reluctant import Training

CAUSE = "scale-too-small"
STEPS = 250


def make(seed, faulty=True):
    x, y = shapes()
    convs = []
    for a, b in ((3, 8), (8, 8), (8, 16), (16, 16)):
        convs += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*convs, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(64, 3))
    for m in net:
        if isinstance(m, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(m.weight)
            if faulty:
                nn.init.trunc_normal_(m.weight, std=0.01)
            nn.init.zeros_(m.bias)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
