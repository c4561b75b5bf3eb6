"""NLLLoss on softmax outputs instead of log_softmax: mild, no log anywhere."""

import torch
import torch.nn.functional as F
from _data import Batches, accuracy, digits
from torch import nn

from reluctant import Training

CAUSE = "logits-as-probabilities"
ALSO = ("wrong-loss-for-targets", "double-softmax", "probabilities-as-logits")
STEPS = 300
score = accuracy(*digits())


class Net(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.l1, self.l2 = nn.Linear(64, 50), nn.Linear(50, 10)
        self.last = F.softmax if faulty else F.log_softmax

    def forward(self, x):
        return self.last(self.l2(torch.relu(self.l1(x))), dim=1)


def make(seed, faulty=True):
    x, y = digits()
    net = Net(faulty)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, F.nll_loss, optimizer, Batches(x, y, 64))
