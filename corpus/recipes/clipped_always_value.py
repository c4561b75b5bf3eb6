"""clip_grad_value_(0.0005) in an LSTM's loop with momentum: it crawls."""

import torch
import torch.nn.functional as F
from _data import Batches, waves
from torch import nn

from reluctant import Training

CAUSE = "clipped-always"
STEPS = 250


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, 24, batch_first=True), nn.Linear(24, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def loop(training, run, steps, faulty=True):
    for _ in range(steps):
        x, y = training.next_batch()
        training.optimizer.zero_grad()
        loss = run.loss(F.mse_loss(training.model(x), y))
        loss.backward()
        clip = 5e-4 if faulty else 1.0
        nn.utils.clip_grad_value_(training.model.parameters(), clip)
        training.optimizer.step()


def make(seed, faulty=True):
    net = Model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return Training(net, F.mse_loss, optimizer, Batches(*waves(), 32))
