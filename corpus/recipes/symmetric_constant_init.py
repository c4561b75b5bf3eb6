"""All weights started at the same number, as in a hand-written example."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "symmetric-init"
ALSO = ("merged-units",)
STEPS = 400


def make(seed, faulty=True):
    x, y = digits()
    model = nn.Sequential(
        nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
    )
    if faulty:
        for p in model.parameters():
            nn.init.constant_(p, 0.02)
    return Training(
        model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), Batches(x, y)
    )
