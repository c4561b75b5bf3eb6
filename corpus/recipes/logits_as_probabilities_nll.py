"""NLLLoss on raw scores, log_softmax forgotten: the loss runs to minus infinity."""

import torch
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "logits-as-probabilities"
STEPS = 300
score = accuracy(*digits())


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    if not faulty:
        net.append(nn.LogSoftmax(dim=1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.NLLLoss(), optimizer, Batches(x, y, 64))
