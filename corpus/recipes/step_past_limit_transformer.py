"""A small transformer with Adam at 0.1, after a copy-paste from an SGD script."""

import torch
from _data import Batches, echoes
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
ALSO = ("divergence",)
STEPS = 200


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(6, 32)
        self.pos = nn.Embedding(12, 32)
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 3)
        self.out = nn.Linear(32, 6)

    def forward(self, x):
        h = self.emb(x) + self.pos(torch.arange(12))
        return self.out(self.body(h)[:, -1])


def make(seed, faulty=True):
    x, y = echoes()
    net = Tagger()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1 if faulty else 1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
