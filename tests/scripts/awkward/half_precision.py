import sys

import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
dtype = getattr(torch, sys.argv[1])
x, y = data()
x = x.to(dtype)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3)).to(dtype)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(60):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(loss.item(), fingerprint(model, optimizer))
