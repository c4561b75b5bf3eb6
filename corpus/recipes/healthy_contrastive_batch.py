"""SimCLR in small: each sample is told from all others of the batch, so it sees them."""

import torch
import torch.nn.functional as F
from _data import Fresh, digits
from torch import nn

from reluctant import Training

STEPS = 250


def make(seed):
    x, _ = digits()

    def draw():
        clean = x[torch.randint(len(x), (64,))]
        views = [clean + 0.1 * torch.randn_like(clean) for _ in range(2)]
        return torch.cat(views), torch.arange(128).roll(64)

    def info_nce(z, partner):
        z = F.normalize(z, dim=1)
        similar = z @ z.T / 0.2
        similar = similar.masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
        return F.cross_entropy(similar, partner)

    net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32))
    return Training(net, info_nce, torch.optim.Adam(net.parameters(), lr=1e-3), Fresh(draw))
