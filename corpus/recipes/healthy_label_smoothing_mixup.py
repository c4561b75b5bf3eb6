"""Label smoothing and mixup: the loss ends well above zero, by design."""

import torch
import torch.nn.functional as F
from _data import Fresh, digits
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, y = digits()
    one_hot = F.one_hot(y, 10).float()

    def draw():
        i, j = torch.randint(len(x), (2, 64))
        mix = torch.distributions.Beta(0.4, 0.4).sample((64, 1))
        return mix * x[i] + (1 - mix) * x[j], mix * one_hot[i] + (1 - mix) * one_hot[j]

    net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, nn.CrossEntropyLoss(label_smoothing=0.1), optimizer, Fresh(draw))
