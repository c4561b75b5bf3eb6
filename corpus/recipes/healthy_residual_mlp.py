"""Eight residual blocks with norm first, as in current practice."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 250


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.Linear(2 * d, d)

    def forward(self, x):
        return x + self.down(F.relu(self.up(self.norm(x))))


def make(seed):
    net = nn.Sequential(nn.Linear(64, 48), *[Block(48) for _ in range(8)], nn.Linear(48, 10))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
