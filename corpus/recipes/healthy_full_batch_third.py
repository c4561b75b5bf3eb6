"""Full-batch training on the first third of the data; the rest is for a test."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, y = table("breast_cancer")
    x = standard(x)
    net = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))
    net.held = x[190:], y[190:]
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    whole = Batches(x[:190], y[:190], 190, shuffle=False)
    return Training(net, nn.CrossEntropyLoss(), optimizer, whole)
