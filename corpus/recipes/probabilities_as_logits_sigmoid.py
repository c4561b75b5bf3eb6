"""A sigmoid at the end and BCEWithLogitsLoss behind it, on a two-class table."""

import torch
from _data import Batches, standard, table
from torch import nn

from reluctant import Training

CAUSE = "probabilities-as-logits"
ALSO = ("double-softmax",)
STEPS = 400


class Classifier(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.layer_1 = nn.Linear(30, 32)
        self.layer_out = nn.Linear(32, 1)
        self.faulty = faulty

    def forward(self, x):
        x = torch.relu(self.layer_1(x))
        x = self.layer_out(x)
        return torch.sigmoid(x) if self.faulty else x


def make(seed, faulty=True):
    x, y = table("breast_cancer")
    net = Classifier(faulty)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    y = y.float()[:, None]
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Batches(standard(x), y, 32))
