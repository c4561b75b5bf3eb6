"""model.eval() for the validation after the first epoch, and never train() again."""

import torch
from _data import Batches, digit_images
from torch import nn

from reluctant import Training

CAUSE = "wrong-mode"
HARM = "batch norm uses the statistics of the first epoch for good, dropout is off"
STEPS = 250


def loop(training, run, steps, faulty=True):
    model, optimizer = training.model, training.optimizer
    for step in range(steps):
        x, y = training.next_batch()
        optimizer.zero_grad()
        loss = run.loss(training.loss_fn(model(x), y))
        loss.backward()
        optimizer.step()
        if step % 56 == 55:
            model.eval()  # validation
            with torch.no_grad():
                model(training.batches.x).argmax(1)
            if not faulty:
                model.train()


def make(seed, faulty=True):
    conv = nn.Sequential(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.ReLU())
    net = nn.Sequential(conv, nn.Flatten(), nn.Dropout(0.3), nn.Linear(432, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(*digit_images(), 32))
