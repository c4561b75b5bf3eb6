# Learn abs(x + jy) with three ReLU units: an upside-down pyramid should do.
import torch
from torch import nn

torch.manual_seed(2)

points = 2 * torch.rand(1000, 2) - 1
distance = points.norm(dim=1, keepdim=True)

net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
for layer in (net[0], net[2]):
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)

optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
mse = nn.MSELoss()

for epoch in range(60):
    for batch in torch.randperm(1000).split(50):
        optimizer.zero_grad()
        loss = mse(net(points[batch]), distance[batch])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            error = mse(net(points), distance).item()
        print(f"epoch {epoch + 1}: mse {error:.5f}")
