"""Strided convolutions down, transposed ones up, noise on the input."""

import torch
from _data import Fresh, digit_images
from torch import nn

from reluctant import Training

STEPS = 200


def make(seed):
    x, _ = digit_images()

    def draw():
        clean = x[torch.randint(len(x), (32,))]
        return clean + 0.2 * torch.randn_like(clean), clean

    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
    )
    return Training(net, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=3e-3), Fresh(draw))
