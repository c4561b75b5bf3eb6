"""A child that trains on by itself leaves the parent's record alone."""

import os
import sys

import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(steps):
    for step in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    print(fingerprint(model, optimizer), flush=True)


train(30)
child = os.fork()
if child == 0:
    train(10)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
train(30)
