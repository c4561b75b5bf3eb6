"""A ReLU RNN over 40 steps whose recurrent weights are a bit too large."""

import torch
from _data import Batches, waves
from torch import nn

from reluctant import Training

CAUSE = "exploding-gradient"
ALSO = ("exploded-activation", "scale-too-large")
STEPS = 200


class Rnn(nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.rnn = nn.RNN(1, 32, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(32, 1)
        nn.init.orthogonal_(self.rnn.weight_hh_l0, gain)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


def make(seed, faulty=True):
    net = Rnn(1.6 if faulty else 0.9)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return Training(net, nn.MSELoss(), optimizer, Batches(*waves(600, 40), 32))
