import torch
from fingerprint import data, fingerprint

torch.manual_seed(0)
x, y = data()
W1 = (0.3 * torch.randn(8, 16)).requires_grad_()
b1 = torch.zeros(16, requires_grad=True)
W2 = (0.3 * torch.randn(16, 3)).requires_grad_()
for step in range(80):
    logits = (x @ W1 + b1).relu() @ W2
    loss = torch.nn.functional.cross_entropy(logits, y)
    loss.backward()
    with torch.no_grad():
        for w in (W1, b1, W2):
            w -= 0.1 * w.grad
            w.grad = None
print(loss.item(), fingerprint([W1, b1, W2]))
