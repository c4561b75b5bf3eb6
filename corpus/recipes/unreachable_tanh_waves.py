"""An LSTM with tanh on its output predicts a wave whose amplitude is 2: mild."""

import torch
from _data import Batches, waves
from torch import nn

from reluctant import Training

CAUSE = "unreachable-target"
STEPS = 250


class Model(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.lstm, self.out = nn.LSTM(1, 24, batch_first=True), nn.Linear(24, 1)
        self.faulty = faulty

    def forward(self, x):
        z = self.out(self.lstm(x)[0][:, -1])
        return torch.tanh(z) if self.faulty else z


def make(seed, faulty=True):
    x, y = waves()
    net = Model(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    return Training(net, nn.MSELoss(), optimizer, Batches(2 * x, 2 * y, 32))
