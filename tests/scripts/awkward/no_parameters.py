"""The input is trained, not the model."""

import torch
from fingerprint import fingerprint
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Softplus(), nn.AvgPool1d(2))
image = torch.randn(1, 16, requires_grad=True)
optimizer = torch.optim.Adam([image], lr=0.05)
for step in range(60):
    optimizer.zero_grad()
    loss = (model(image) - 1).square().mean()
    loss.backward()
    optimizer.step()
print(loss.item(), fingerprint([image], optimizer))
try:
    torch.optim.SGD(model.parameters(), lr=0.1)
except ValueError as error:
    print(error)
