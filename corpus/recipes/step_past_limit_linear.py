"""Linear regression with a step a tenth beyond 2 / largest eigenvalue."""

import torch
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
ALSO = ("divergence",)
STEPS = 250


def make(seed, faulty=True):
    x = torch.randn(500, 5)
    y = x @ torch.randn(5, 1) + 0.1 * torch.randn(500, 1)
    net = nn.Linear(5, 1)
    top = torch.linalg.eigvalsh(2 * x.T @ x / 500)[-1].item()
    optimizer = torch.optim.SGD(net.parameters(), lr=(2.2 if faulty else 0.5) / top)
    return Training(net, nn.MSELoss(), optimizer, [(x, y)])
