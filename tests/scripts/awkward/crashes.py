import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(step):
    if step == 60:
        x[:3] @ model[0].weight  # shapes that do not fit
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


for step in range(100):
    if step == 60:
        print(fingerprint(model, optimizer))
    train(step)
