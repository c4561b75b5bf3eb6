"""A small GAN on a ring: the losses hover, as they should."""

import torch
import torch.nn.functional as F
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 250


class GAN(nn.Module):
    def __init__(self):
        super().__init__()
        self.g = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
        self.d = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))

    def forward(self, x):
        return self.d(x)


def loop(training, run, steps):
    net, bce = training.model, training.loss_fn
    opt_g = torch.optim.Adam(net.g.parameters(), lr=1e-3, betas=(0.5, 0.999))
    run.add(opt_g)
    for _ in range(steps):
        (real, one), fake = training.next_batch(), net.g(torch.randn(64, 4))
        net.zero_grad()
        run.loss(bce(net(real), one) + bce(net(fake.detach()), 0 * one)).backward()
        training.optimizer.step()
        net.zero_grad()
        bce(net(fake), one).backward()
        opt_g.step()


def make(seed):
    net, ring = GAN(), Batches(F.normalize(torch.randn(1000, 2)), torch.ones(1000, 1), 64)
    optimizer = torch.optim.Adam(net.d.parameters(), lr=1e-3, betas=(0.5, 0.999))
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, ring)
