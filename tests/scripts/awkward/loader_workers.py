import sys

import torch
from fingerprint import data, fingerprint
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Points(Dataset):
    def __init__(self):
        self.x, self.y = data(96)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + 0.01 * torch.randn(8), self.y[index]


if __name__ == "__main__":
    torch.manual_seed(0)
    loader = DataLoader(
        Points(), 16, shuffle=True, num_workers=2, multiprocessing_context=sys.argv[1]
    )
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    print(loss.item(), fingerprint(model, optimizer))
