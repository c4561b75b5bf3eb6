"""Users times items: two embeddings and a dot product, ratings from 1 to 5."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 400


class Factors(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.item = nn.Embedding(200, 8), nn.Embedding(100, 8)
        self.bias = nn.Parameter(torch.tensor(3.0))
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, pair):
        return self.bias + (self.user(pair[:, 0]) * self.item(pair[:, 1])).sum(1)


def make(seed):
    pair = torch.stack([torch.randint(200, (6000,)), torch.randint(100, (6000,))], 1)
    u, v = torch.randn(200, 3), torch.randn(100, 3)
    rating = (3 + 0.7 * (u[pair[:, 0]] * v[pair[:, 1]]).sum(1)).clamp(1, 5)
    net = Factors()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=1e-5)
    return Training(net, nn.MSELoss(), optimizer, Batches(pair, rating, 128))
