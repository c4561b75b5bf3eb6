import os
import signal

import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(1000):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    if step == 700:
        print(fingerprint(model, optimizer), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
