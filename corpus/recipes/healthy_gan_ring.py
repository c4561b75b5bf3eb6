"""A small GAN on a ring: the losses hover, as they should."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 250


def loop(training, run, steps):
    g, d = training.model["g"], training.model["d"]
    bce = nn.BCEWithLogitsLoss()
    one, zero = torch.ones(64, 1), torch.zeros(64, 1)
    opt_g = torch.optim.Adam(g.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for _ in range(steps):
        real, _ = training.next_batch()
        fake = g(torch.randn(64, 4))
        training.optimizer.zero_grad()
        loss_d = run.loss(bce(d(real), one) + bce(d(fake.detach()), zero))
        loss_d.backward()
        training.optimizer.step()
        opt_g.zero_grad()
        bce(d(fake), one).backward()
        opt_g.step()


def make(seed):
    angle = 6.283 * torch.rand(1000)
    ring = torch.stack([angle.cos(), angle.sin()], 1)
    net = nn.ModuleDict(
        {
            "g": nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2)),
            "d": nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1)),
        }
    )
    optimizer = torch.optim.Adam(net["d"].parameters(), lr=1e-3, betas=(0.5, 0.999))
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Batches(ring, ring, 64))
