"""A wide first layer with negative biases: four of five units silent on any one image."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    nn.init.kaiming_normal_(net[0].weight)
    nn.init.constant_(net[0].bias, -0.4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
