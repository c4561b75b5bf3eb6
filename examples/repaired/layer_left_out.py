import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn, optim

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, 6),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(6, 10)

    def forward(self, x):
        return self.classifier(self.features(x))


x, y = load_digits(return_X_y=True)
x = torch.tensor(x, dtype=torch.float32) / 16
y = torch.tensor(y)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)

model = Net()
optimizer = optim.Adam(model.parameters(), lr=0.005)
loss_function = nn.CrossEntropyLoss()

for epoch in range(1, 31):
    permutation = torch.randperm(len(x_train))
    for i in range(0, len(x_train), 64):
        idx = permutation[i : i + 64]
        optimizer.zero_grad()
        loss = loss_function(model(x_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        with torch.no_grad():
            acc = (model(x_test).argmax(dim=1) == y_test).float().mean()
        print(
            "epoch", epoch, "loss", round(loss.item(), 4), "acc", round(acc.item(), 4)
        )
