"""Full batch, step at the edge of stability: the loss falls, though not at every step."""

import torch
import torch.nn.functional as F
from _data import digits
from torch import nn

from reluctant import Training

STEPS = 500


def make(seed):
    x, y = digits()
    x, t = x[:300], F.one_hot(y[:300], 10).float()
    net = nn.Sequential(
        nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.6)
    return Training(net, nn.MSELoss(), optimizer, [(x, t)])
