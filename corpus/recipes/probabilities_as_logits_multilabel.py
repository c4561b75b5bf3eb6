"""Multi-label with sigmoid outputs and binary_cross_entropy_with_logits."""

import torch
import torch.nn.functional as F
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "probabilities-as-logits"
ALSO = ("double-softmax",)
STEPS = 300


def make(seed, faulty=True):
    x = torch.randn(1200, 20)
    y = (x @ torch.randn(20, 6) > 2.0).float()
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 6))
    if faulty:
        net.append(nn.Sigmoid())
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, F.binary_cross_entropy_with_logits, optimizer, Batches(x, y))
