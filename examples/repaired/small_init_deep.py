import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)


class DeepNet(nn.Module):
    def __init__(self, width=64, depth=8):
        super().__init__()
        sizes = [64] + [width] * (depth - 1) + [10]
        self.layers = nn.ModuleList(
            nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])
        )
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


data, target = load_digits(return_X_y=True)
data = torch.tensor(data, dtype=torch.float32) / 16.0
target = torch.tensor(target)
order = torch.randperm(len(data))
train, valid = order[:1500], order[1500:]

model = DeepNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
batch_size = 50

for epoch in range(20):
    model.train()
    shuffled = train[torch.randperm(len(train))]
    for start in range(0, len(train), batch_size):
        batch = shuffled[start : start + batch_size]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data[batch]), target[batch])
        loss.backward()
        optimizer.step()

    model.eval()
    with torch.no_grad():
        logits = model(data[valid])
        val_loss = F.cross_entropy(logits, target[valid]).item()
        val_acc = (logits.argmax(1) == target[valid]).float().mean().item()
    print(f"{epoch:3d} train {loss.item():.4f} val {val_loss:.4f} acc {val_acc:.2%}")
