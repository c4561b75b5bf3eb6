"""Fine-tuning rates (1e-6) for a CNN that is trained from scratch."""

import torch
from _data import Batches, digit_images
from torch import nn

from reluctant import Training

CAUSE = "step-too-small"
STEPS = 200


def make(seed, faulty=True):
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-6 if faulty else 1e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digit_images(), 32))
