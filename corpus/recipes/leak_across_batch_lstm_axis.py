"""Batches of shape (N, T, D) into an LSTM without batch_first: time runs over samples."""

import torch
from _data import Batches, waves
from torch import nn

from reluctant import Training

CAUSE = "leak-across-batch"
STEPS = 250


class Forecast(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=not faulty)
        self.fc = nn.Linear(32, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1, :])


def make(seed, faulty=True):
    net = Forecast(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(*waves(), 32))
