import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.001)
parser.add_argument("--epochs", type=int, default=200)
args = parser.parse_args()

torch.manual_seed(0)

# five measurements between 0 and 40, and what they cost
x = 40 * torch.rand(400, 5)
prices = torch.tensor([[3.0], [-2.0], [1.5], [4.0], [0.5]])
y = x @ prices + torch.randn(400, 1)

model = torch.nn.Linear(5, 1)
criterion = torch.nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

for epoch in range(args.epochs):
    prediction = model(x)
    loss = criterion(prediction, y)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    if epoch % 10 == 0 or epoch == args.epochs - 1:
        print("epoch", epoch, "loss", loss.item())
