import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

# temperature, humidity, wind, pressure (already scaled) -> energy used
weather = torch.randn(1200, 4)
energy = torch.sin(2 * weather[:, :1]) + 0.5 * weather[:, 1:2] * weather[:, 2:3]
energy = energy + 0.05 * torch.randn(1200, 1)
weather[777, 2] = float("nan")  # the wind sensor was off that day

loader = DataLoader(TensorDataset(weather, energy), batch_size=40, shuffle=True)

model = nn.Sequential(
    nn.Linear(4, 64),
    nn.Tanh(),
    nn.Linear(64, 64),
    nn.Tanh(),
    nn.Linear(64, 1),
)
criterion = nn.SmoothL1Loss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

for epoch in range(40):
    losses = []
    for features, wanted in loader:
        optimizer.zero_grad()
        loss = criterion(model(features), wanted)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if epoch % 4 == 3:
        print("epoch", epoch + 1, "mean loss", sum(losses) / len(losses))
