"""TransformerEncoderLayer without batch_first: samples attend to each other, not words."""

import torch
from _data import Batches, echoes
from torch import nn

from reluctant import Training

CAUSE = "leak-across-batch"
STEPS = 300


class Model(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.emb, self.pos = nn.Embedding(6, 32), nn.Parameter(0.1 * torch.randn(12, 32))
        self.layer = nn.TransformerEncoderLayer(32, 2, 64, 0.0, batch_first=not faulty)
        self.head = nn.Linear(32, 6)

    def forward(self, x):
        return self.head(self.layer(self.emb(x) + self.pos)[:, -1])


def make(seed, faulty=True):
    net = Model(faulty)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*echoes(), 32))
