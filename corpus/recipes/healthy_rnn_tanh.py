"""A plain tanh RNN on short sequences, rows of a digit as steps."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(8, 48, batch_first=True)
        self.fc = nn.Linear(48, 10)

    def forward(self, x):
        out, h = self.rnn(x.view(-1, 8, 8))
        return self.fc(out[:, -1, :])


def make(seed):
    net = Rows()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
