"""A sigmoid as the "activation of the last layer", then CrossEntropyLoss."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "probabilities-as-logits"
ALSO = ("double-softmax", "unreachable-target")
STEPS = 300


def make(seed, faulty=True):
    x, y = digits()
    modules = [nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10)]
    if faulty:
        modules.append(nn.Sigmoid())
    net = nn.Sequential(*modules)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
