import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
for step in range(40):
    model.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
print(loss.item(), fingerprint(model))
