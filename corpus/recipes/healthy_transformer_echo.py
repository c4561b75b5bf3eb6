"""A small transformer that learns to name the first symbol of a sequence."""

import torch
from _data import Batches, echoes
from torch import nn

from reluctant import Training

STEPS = 300


class Model(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.emb = nn.Embedding(6, d)
        self.pos = nn.Parameter(torch.zeros(1, 12, d))
        nn.init.normal_(self.pos, std=0.02)
        layer = nn.TransformerEncoderLayer(d, 4, 64, 0.1, batch_first=True)
        self.enc = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(d, 6)

    def forward(self, x):
        return self.head(self.enc(self.emb(x) + self.pos).mean(1))


def make(seed):
    net = Model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*echoes(), 32))
