"""A GRU over forty steps, its gradients clipped at a norm of 0.5."""

import torch
import torch.nn.functional as F
from _data import Batches, waves
from torch import nn

from reluctant import Training

STEPS = 200


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(1, 24, batch_first=True), nn.Linear(24, 1)

    def forward(self, x):
        return self.out(self.gru(x)[0][:, -1])


def loop(training, run, steps):
    for _ in range(steps):
        x, y = training.next_batch()
        training.optimizer.zero_grad()
        loss = run.loss(F.mse_loss(training.model(x), y))
        loss.backward()
        nn.utils.clip_grad_norm_(training.model.parameters(), 0.5)
        training.optimizer.step()


def make(seed):
    net = Model()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    return Training(net, F.mse_loss, optimizer, Batches(*waves(600, 40), 32))
