"""Logistic regression on the standardized breast cancer table."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

STEPS = 300


class LogisticRegression(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.linear = nn.Linear(n, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


def make(seed):
    x, y = table("breast_cancer")
    net = LogisticRegression(30)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.BCELoss(), optimizer, Batches(standard(x), y.float()[:, None], 64))
