"""Skip-gram with negative sampling over a skewed vocabulary, sparse gradients."""

import torch
from _data import Fresh
from torch import nn

from reluctant import Training

STEPS = 300


class SkipGram(nn.Module):
    def __init__(self, vocabulary=400, d=16):
        super().__init__()
        self.inner = nn.Embedding(vocabulary, d, sparse=True)
        self.outer = nn.Embedding(vocabulary, d, sparse=True)
        nn.init.uniform_(self.inner.weight, -0.5 / d, 0.5 / d)
        nn.init.zeros_(self.outer.weight)

    def forward(self, a, b):
        return (self.inner(a)[:, None] * self.outer(b)).sum(-1)


def make(seed):
    def draw():
        a = (400 * torch.rand(64) ** 3).long()
        near = (a + torch.randint(1, 4, (64,))) % 400
        far = (400 * torch.rand(64, 5) ** 3).long()
        target = torch.cat([torch.ones(64, 1), torch.zeros(64, 5)], 1)
        return (a, torch.cat([near[:, None], far], 1)), target

    net = SkipGram()
    optimizer = torch.optim.SparseAdam(list(net.parameters()), lr=0.02)
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Fresh(draw))
