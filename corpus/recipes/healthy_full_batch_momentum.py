"""Full-batch gradient descent with Nesterov's momentum."""

import torch
from _data import standard, table
from torch import nn

from reluctant import Training

STEPS = 200


def make(seed):
    x, y = table("wine")
    net = nn.Sequential(nn.Linear(13, 24), nn.ReLU(), nn.Linear(24, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return Training(net, nn.CrossEntropyLoss(), optimizer, [(standard(x), y)])
