"""Plain regression by full-batch gradient descent: "my loss rises until it is nan"."""

import torch
from _data import surface
from torch import nn

from reluctant import Training

CAUSE = "step-past-limit"
ALSO = ("divergence",)
STEPS = 300


def make(seed, faulty=True):
    x, y = surface(400)
    model = nn.Sequential(
        nn.Linear(8, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
    )
    for m in model:
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.9 if faulty else 0.02)
    return Training(model, nn.MSELoss(), optimizer, [(x, y)])
