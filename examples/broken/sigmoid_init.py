# I took my old network with sigmoid units and switched it to ReLU.
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

x, y = load_digits(return_X_y=True)
x = torch.tensor(x / 16.0, dtype=torch.float32)
y = torch.tensor(y)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

sizes = [64, 30, 30, 30, 30, 30, 30]
layers = []
for n_in, n_out in zip(sizes, sizes[1:]):
    layers += [nn.Linear(n_in, n_out), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(30, 10))

for layer in model:
    if isinstance(layer, nn.Linear):
        nn.init.uniform_(layer.weight, -0.1, 0.1)
        nn.init.zeros_(layer.bias)

loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

for epoch in range(20):
    for xb, yb in loader:
        loss = loss_fn(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = model(x_test)
        test_loss = loss_fn(out, y_test)
        correct = (out.argmax(dim=1) == y_test).sum().item()
    print(
        f"Epoch {epoch + 1:2d}: loss {test_loss:.4f}, {correct} / {len(y_test)} right"
    )
