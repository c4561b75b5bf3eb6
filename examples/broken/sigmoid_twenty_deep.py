import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class VeryDeep(nn.Module):
    def __init__(self, hidden=32, depth=20):
        super().__init__()
        self.first = nn.Linear(64, hidden)
        self.blocks = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(depth)])
        self.last = nn.Linear(hidden, 10)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = torch.sigmoid(block(x))
        return self.last(x)


def run():
    torch.manual_seed(0)
    X, y = load_digits(return_X_y=True)
    order = torch.randperm(len(y))
    X = torch.tensor(X, dtype=torch.float32)[order] / 16
    y = torch.tensor(y)[order]
    loader = DataLoader(TensorDataset(X[:1400], y[:1400]), batch_size=32, shuffle=True)

    model = VeryDeep()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(15):
        total = 0
        for data, target in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(data), target)
            loss.backward()
            optimizer.step()
            total += loss.item()
        with torch.no_grad():
            hits = (model(X[1400:]).argmax(1) == y[1400:]).sum().item()
        print(f"epoch {epoch}: train loss {total / len(loader):.3f}, test {hits}/397")


if __name__ == "__main__":
    run()
