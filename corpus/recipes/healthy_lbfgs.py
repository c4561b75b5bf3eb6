"""L-BFGS with a closure on the full batch of a small table."""

import torch
from _data import standard, table
from torch import nn

from reluctant import Training

STEPS = 40


def make(seed):
    x, y = table("diabetes")
    net = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=4)
    return Training(net, nn.MSELoss(), optimizer, [(standard(x), standard(y))])
