"""Adam at lr=0.3 because "bigger learns faster"."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
ALSO = ("divergence",)
STEPS = 300


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.3 if faulty else 1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
