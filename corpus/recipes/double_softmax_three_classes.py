"""Iris in the style of a Keras port: softmax layer, then CrossEntropyLoss."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "double-softmax"
HARM = "the loss cannot fall below 0.55"
STEPS = 400


class Iris(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.hidden1, self.hidden2 = nn.Linear(4, 16), nn.Linear(16, 16)
        self.output = nn.Linear(16, 3)
        self.softmax = nn.Softmax(dim=-1) if faulty else nn.Identity()

    def forward(self, x):
        x = torch.relu(self.hidden1(x))
        x = torch.relu(self.hidden2(x))
        return self.softmax(self.output(x))


def make(seed, faulty=True):
    x, y = table("iris")
    net = Iris(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(standard(x), y, 30))
