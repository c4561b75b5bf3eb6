import os
import signal
import sys

import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train():
    for step in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step == 60:
            print(fingerprint(model, optimizer), flush=True)
            os.kill(os.getpid(), signal.SIGINT)


try:
    train()
except KeyboardInterrupt:
    print("stopping early")
    if sys.argv[1] == "raise":
        raise
