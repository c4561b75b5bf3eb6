"""Six sigmoid layers with Adam: it starts late and lags behind."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "vanishing-gradient"
STEPS = 300


class Old(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = act
        self.first = nn.Linear(13, 30)
        self.hidden = nn.ModuleList([nn.Linear(30, 30) for _ in range(6)])
        self.out = nn.Linear(30, 3)

    def forward(self, x):
        x = self.act(self.first(x))
        for layer in self.hidden:
            x = self.act(layer(x))
        return self.out(x)


def make(seed, faulty=True):
    x, y = table("wine")
    net = Old(torch.sigmoid if faulty else torch.tanh)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(standard(x), y, 16))
