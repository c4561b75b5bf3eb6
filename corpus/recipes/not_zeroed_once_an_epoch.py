"""zero_grad() stands in the loop over epochs instead of the loop over batches."""

import torch
import torch.nn.functional as F
from _data import Batches, digit_images
from torch import nn

from reluctant import Training

CAUSE = "gradients-not-zeroed"
STEPS = 350


def loop(training, run, steps, faulty=True):
    net, optimizer = training.model, training.optimizer
    step = 0
    while step < steps:
        optimizer.zero_grad()
        for images, labels in training.batches:
            if not faulty:
                optimizer.zero_grad()
            loss = run.loss(F.cross_entropy(net(images), labels))
            loss.backward()
            optimizer.step()
            step += 1


def make(seed, faulty=True):
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return Training(net, F.cross_entropy, optimizer, Batches(*digit_images(), 64))
