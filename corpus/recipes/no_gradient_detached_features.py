"""Features are taken as .detach() "to save memory": the untrained body never learns."""

import torch
from _data import Batches, spirals
from torch import nn

from reluctant import Training

CAUSE = "no-gradient"
ALSO = ("frozen-parameter",)
STEPS = 300


class TwoStage(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty
        self.body = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        features = self.body(x)
        if self.faulty:
            features = features.detach()
        return self.head(features)


def make(seed, faulty=True):
    x, y = spirals()
    net = TwoStage(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 50))
