"""A sparse autoencoder whose L1 penalty is so strong that most latents die."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "dead-unit"
ALSO = ("dead-layer",)
STEPS = 500


class SAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc, self.dec = nn.Linear(64, 96), nn.Linear(96, 64)

    def forward(self, x):
        z = torch.relu(self.enc(x))
        return self.dec(z), z


def score(net):
    x, _ = digits()
    return -100 * F.mse_loss(net(x)[0], x).item()


def make(seed, faulty=True):
    x, _ = digits()
    l1 = 0.3 if faulty else 1e-4

    def loss_fn(output, target):
        recon, z = output
        return F.mse_loss(recon, target) + l1 * z.abs().sum(1).mean()

    net = SAE()
    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=2e-3), Batches(x, x, 64))
