"""An overcomplete autoencoder with a mild L1 penalty: sparse, and alive."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 400


class SAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x):
        z = F.relu(self.encoder(x))
        return self.decoder(z), z


def loss_fn(output, x):
    recon, z = output
    return (recon - x).pow(2).sum(1).mean() + 0.01 * z.sum(1).mean()


def make(seed):
    x, _ = digits()
    net = SAE()
    return Training(net, loss_fn, torch.optim.Adam(net.parameters(), lr=1e-3), Batches(x, x, 64))
