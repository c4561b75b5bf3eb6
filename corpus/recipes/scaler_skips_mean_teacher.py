"""float16 with a GradScaler; the distance to a teacher that starts as a copy is the root of 0."""

import copy

import torch
from _data import Batches, digits
from torch import nn

from reluctant import Training

CAUSE = "scaler-skips"
ALSO = ("nonfinite-gradient",)
STEPS = 200


def loop(training, run, steps, faulty=True):
    student, optimizer = training.model, training.optimizer
    teacher = copy.deepcopy(student).requires_grad_(False)
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(steps):
        x, y = training.next_batch()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            z = student(x).float()
            apart = (z - teacher(x).float()).pow(2).sum(1)
            distance = (apart + (0.0 if faulty else 1e-8)).sqrt()
            loss = training.loss_fn(z, y) + 0.01 * distance.mean()
        scaler.scale(run.loss(loss)).backward()
        scaler.step(optimizer)
        scaler.update()
        for old, new in zip(teacher.parameters(), student.parameters()):
            old.data.lerp_(new.data, 0.05)


def make(seed, faulty=True):
    x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Training(net, nn.CrossEntropyLoss(), optimizer, Batches(x, y, 64))
