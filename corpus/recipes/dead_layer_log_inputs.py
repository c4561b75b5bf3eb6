"""Inputs are log-probabilities, all negative; the weights were drawn positive."""

import torch
import torch.nn.functional as F
from _data import Batches, blobs
from torch import nn

from reluctant import Training

CAUSE = "dead-layer"
ALSO = ("born-dead-unit",)
STEPS = 300


def make(seed, faulty=True):
    x, y = blobs(5, 30)
    x = F.log_softmax(2 * x, dim=1) / 5
    net = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 5))
    if faulty:
        nn.init.uniform_(net[0].weight, 0, 0.3)
        nn.init.zeros_(net[0].bias)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y))
