"""Weights made with torch.randn, without any scaling."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "scale-too-large"
STEPS = 400


def weights(a, b, faulty):
    w = torch.randn(b, a)
    return nn.Parameter(w if faulty else w * (2 / a) ** 0.5)


class Net(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        sizes = [64, 100, 100, 100, 10]
        pairs = list(zip(sizes[:-1], sizes[1:]))
        self.w = nn.ParameterList([weights(a, b, faulty) for a, b in pairs])
        self.b = nn.ParameterList([nn.Parameter(torch.zeros(b)) for _, b in pairs])

    def forward(self, x):
        for w, b in zip(self.w[:-1], self.b[:-1]):
            x = F.relu(F.linear(x, w, b))
        return F.linear(x, self.w[-1], self.b[-1])


def make(seed, faulty=True):
    net = Net(faulty)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digits(), 64))
