"""EmbeddingBag over word ids, as in the text classification tutorial."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 300


class TextModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(500, 32)
        self.fc = nn.Linear(32, 4)
        self.embedding.weight.data.uniform_(-0.5, 0.5)
        self.fc.weight.data.uniform_(-0.5, 0.5)
        self.fc.bias.data.zero_()

    def forward(self, ids):
        return self.fc(self.embedding(ids))


def make(seed):
    y = torch.randint(4, (1200,))
    favor = torch.rand(4, 500) ** 6
    ids = torch.multinomial(favor[y], 20, replacement=True)
    net = TextModel()
    optimizer = torch.optim.SGD(net.parameters(), lr=5.0)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(ids, y, 32))
