"""Four experts and a gate, all evaluated, on a surface with regions."""

import torch
import torch.nn.functional as F
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 400


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(2, 4)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)) for _ in range(4)
        )

    def forward(self, x):
        weight = F.softmax(self.gate(x), dim=1)
        return (torch.cat([e(x) for e in self.experts], 1) * weight).sum(1, keepdim=True)


def make(seed):
    x = torch.rand(1000, 2) * 4 - 2
    y = torch.where(x[:, :1] > 0, (3 * x[:, 1:]).sin(), -x[:, 1:]) + 0.05 * torch.randn(1000, 1)
    net = Mixture()
    return Training(
        net, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=5e-3), Batches(x, y, 50)
    )
