import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
every = 4
for epoch in range(20):
    for number, i in enumerate(range(0, len(x), 10)):
        loss = nn.functional.cross_entropy(model(x[i : i + 10]), y[i : i + 10]) / every
        loss.backward()
        if (number + 1) % every == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
print(loss.item(), fingerprint(model, optimizer))
