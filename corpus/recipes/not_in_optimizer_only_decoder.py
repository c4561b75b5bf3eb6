"""An autoencoder whose optimizer was given the decoder's parameters alone."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "parameter-not-in-optimizer"
STEPS = 400


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 6))
        self.decoder = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 64))

    def forward(self, x):
        return self.decoder(self.encoder(x))


def make(seed, faulty=True):
    x, _ = digits()
    net = AutoEncoder()
    part = net.decoder if faulty else net
    optimizer = torch.optim.Adam(part.parameters(), lr=3e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(x, x, 64))
