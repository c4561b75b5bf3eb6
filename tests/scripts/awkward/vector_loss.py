import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(60):
    optimizer.zero_grad()
    losses = nn.functional.cross_entropy(model(x), y, reduction="none")
    if step % 2:
        losses.backward(gradient=torch.full_like(losses, 1 / len(losses)))
    else:
        torch.autograd.backward([losses.mean(), model[0].weight.square().sum() * 1e-4])
    optimizer.step()
print(losses.mean().item(), fingerprint(model, optimizer))
