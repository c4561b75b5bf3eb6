"""A net solves u'' = -u with boundary values: the loss is made of derivatives of the net."""

import torch
from torch import nn

from reluctant import Training

STEPS = 300


def loop(training, run, steps):
    net = training.model
    for _ in range(steps):
        t = (6.28 * torch.rand(64, 1)).requires_grad_()
        u = net(t)
        (du,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        (ddu,) = torch.autograd.grad(du.sum(), t, create_graph=True)
        start, end = net(torch.zeros(1, 1)), net(torch.full((1, 1), 3.14159 / 2))
        loss = run.loss((ddu + u).pow(2).mean() + start.pow(2).sum() + (end - 1).pow(2).sum())
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()


def make(seed):
    net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.MSELoss(), optimizer, [(torch.zeros(1, 1), torch.zeros(1, 1))])
