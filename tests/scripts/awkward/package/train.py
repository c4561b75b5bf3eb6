import sys

import torch
from fingerprint import data, fingerprint
from torch.nn.functional import cross_entropy

from .net import Net

torch.manual_seed(0)
x, y = data()
net = Net()
optimizer = torch.optim.Adam(net.parameters())
for _ in range(60):
    optimizer.zero_grad()
    cross_entropy(net(x), y).backward()
    optimizer.step()
print(__name__, __package__, __spec__.name, sys.argv[1:])
print(sys.argv[0].endswith("train.py"), fingerprint(net, optimizer))
