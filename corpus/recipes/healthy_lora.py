"""Low-rank adapters on a frozen net; one half of each starts at zero."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


class LoRA(nn.Module):
    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Linear(base.in_features, rank, bias=False)
        self.b = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return self.base(x) + self.b(self.a(x))


def make(seed):
    x, y = digits()
    first, second, last = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)
    before = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
    optimizer = torch.optim.Adam(before.parameters(), lr=3e-3)
    for _ in range(100):
        i = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        F.cross_entropy(before(x[i]), (y[i] + 3) % 10).backward()
        optimizer.step()
    net = nn.Sequential(LoRA(first), nn.ReLU(), LoRA(second), nn.ReLU(), last)
    trained = [p for p in net.parameters() if p.requires_grad]
    return Training(net, nn.CrossEntropyLoss(), torch.optim.AdamW(trained, lr=3e-3), Batches(x, y))
