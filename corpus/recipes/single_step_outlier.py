"""One broken batch, two thousand times too large: after it nothing learns any more."""

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "single-step-catastrophe"
ALSO = ("divergence",)
STEPS = 400


class WithGlitch(Batches):
    def __iter__(self):
        self.epoch = getattr(self, "epoch", 0) + 1
        for number, (x, y) in enumerate(super().__iter__()):
            yield (x * 2000 if (self.epoch, number) == (4, 5) else x), y


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    kind = WithGlitch if faulty else Batches
    return Training(net, nn.CrossEntropyLoss(), optimizer, kind(x, y, 64))
