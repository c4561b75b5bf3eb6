import torch
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(
    nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU()
)
for parameter in model.parameters():
    parameter.requires_grad_(False)
model.eval()
head = nn.Linear(16, 3)
optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
for step in range(80):
    if step == 40:  # thaw
        for parameter in model[3].parameters():
            parameter.requires_grad_(True)
        optimizer.add_param_group({"params": model[3].parameters(), "lr": 0.001})
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(head(model(x)), y)
    loss.backward()
    optimizer.step()
print(loss.item(), fingerprint(model, head, optimizer))
