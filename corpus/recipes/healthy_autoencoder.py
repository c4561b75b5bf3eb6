"""A small autoencoder of images with a sigmoid at the end and BCE."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, _ = digits()
    net = nn.Sequential(
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 12),
        nn.ReLU(),
        nn.Linear(12, 32),
        nn.ReLU(),
        nn.Linear(32, 64),
        nn.Sigmoid(),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.BCELoss(), optimizer, Batches(x, x, 64))
