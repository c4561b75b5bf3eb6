"""Log-normal columns: a few people earn a thousand times what most do."""

import torch
from _data import Batches, standard
from torch import nn

from reluctant import Training

CAUSE = "skewed-input"
ALSO = ("unscaled-input",)
STEPS = 400


def make(seed, faulty=True):
    log_income = 2.2 * torch.randn(1500, 6)
    y = (log_income @ torch.randn(6, 1) > 0).float()
    x = standard(log_income.exp() if faulty else log_income)
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.BCEWithLogitsLoss(), optimizer, Batches(x, y, 64))
