"""Embedding, one-dimensional convolutions of three widths, max over time, dropout."""

import torch
import torch.nn.functional as F
from _data import Batches
from torch import nn

from reluctant import Training

STEPS = 200


class TextCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(100, 16)
        self.convs = nn.ModuleList(nn.Conv1d(16, 16, k) for k in (2, 3, 4))
        self.fc = nn.Linear(48, 2)

    def forward(self, x):
        x = self.emb(x).transpose(1, 2)
        x = [F.relu(conv(x)).amax(2) for conv in self.convs]
        return self.fc(F.dropout(torch.cat(x, 1), 0.3, self.training))


def make(seed):
    x = torch.randint(100, (1200, 20))
    y = torch.randint(2, (1200,))
    where = torch.randint(18, (1200,))
    x[torch.arange(1200), where] = 7
    x[torch.arange(1200), where + 1] = torch.where(y == 1, 8, 9)
    net = TextCNN()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
