import torch
from fingerprint import data, fingerprint
from torch import nn
from torch.func import functional_call, grad, vmap

torch.manual_seed(0)
x, y = data()
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
weights = {name: p.detach() for name, p in model.named_parameters()}


def loss_of(weights, x, y):
    logits = functional_call(model, weights, (x.unsqueeze(0),))
    return nn.functional.cross_entropy(logits, y.unsqueeze(0))


for step in range(30):
    each = vmap(grad(loss_of), in_dims=(None, 0, 0))(weights, x, y)
    weights = {name: w - 0.1 * each[name].mean(0) for name, w in weights.items()}
print(fingerprint(weights))
