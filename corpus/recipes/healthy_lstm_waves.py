"""An LSTM that forecasts the next value of a noisy wave, with clipping at 1."""

import torch
import torch.nn.functional as F
from _data import Batches, waves
from torch import nn

from reluctant import Training

STEPS = 250


class Forecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.out(h[:, -1])


def loop(training, run, steps):
    for _ in range(steps):
        x, y = training.next_batch()
        training.optimizer.zero_grad()
        loss = run.loss(F.mse_loss(training.model(x), y))
        loss.backward()
        nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
        training.optimizer.step()


def make(seed):
    net = Forecast()
    return Training(
        net, F.mse_loss, torch.optim.Adam(net.parameters(), lr=5e-3), Batches(*waves(), 32)
    )
