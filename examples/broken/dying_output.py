import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)

digits = load_digits()
X = torch.tensor(digits.data, dtype=torch.float32) / 16
y = torch.tensor(digits.target)
targets = F.one_hot(y, 10).float()
shuffled = torch.randperm(len(X))
train, test = shuffled[:1500], shuffled[1500:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 100)
        self.output = nn.Linear(100, 10)
        for layer in (self.hidden, self.output):
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = F.relu(self.hidden(x))
        return F.relu(self.output(x))


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)

for epoch in range(6):
    total = 0.0
    for i in train[torch.randperm(len(train))]:
        out = net(X[i].unsqueeze(0))
        loss = 0.5 * (out - targets[i]).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        accuracy = (net(X[test]).argmax(1) == y[test]).float().mean().item()
    print(f"epoch {epoch}  loss {total / len(train):.4f}  test accuracy {accuracy:.3f}")
