import torch
from torch import nn


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        raise ValueError("no gradient today")


model = nn.Linear(3, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss = Broken.apply(model(torch.ones(2, 3))).mean()
try:
    loss.backward()
except ValueError as error:
    print("caught", error)
loss = model(torch.ones(2, 3)).mean()
loss.backward()
optimizer.step()
loss.backward()  # a second time: torch says no
