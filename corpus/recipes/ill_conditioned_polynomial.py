"""A polynomial of degree 7 fitted by gradient descent on raw powers of x."""

import torch
from _data import Batches
from torch import nn

from reluctant import Training

CAUSE = "ill-conditioned"
ALSO = ("unscaled-input",)
STEPS = 500


def make(seed, faulty=True):
    x = torch.rand(600, 1) * 3 - 1.5
    y = (3 * x).sin()
    powers = torch.cat([x**k for k in range(1, 8)], 1)
    if not faulty:
        q, _ = torch.linalg.qr(powers - powers.mean(0))
        powers = q * 600**0.5
    net = nn.Linear(7, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    return Training(net, nn.MSELoss(), optimizer, Batches(powers, y, 100))
