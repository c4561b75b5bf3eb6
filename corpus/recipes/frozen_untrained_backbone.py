"""The backbone was frozen for fine-tuning, but its weights were never loaded."""

import torch
from _data import Batches, shapes
from torch import nn

from reluctant import Training

CAUSE = "frozen-parameter"
ALSO = ("no-gradient",)
STEPS = 300


class Finetune(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.backbone(x))


def make(seed, faulty=True):
    x, y = shapes()
    net = Finetune()
    for p in net.backbone.parameters():
        p.requires_grad = not faulty
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=5e-3)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 32))
