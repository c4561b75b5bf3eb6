"""Two in five labels were clicked at random by the annotators."""

import torch
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "label-noise"
STEPS = 900
score = accuracy(*digits())


def make(seed, faulty=True):
    x, y = digits()
    noisy = torch.where(torch.rand(len(y)) < 0.45, torch.randint(10, y.shape), y)
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, noisy if faulty else y))
