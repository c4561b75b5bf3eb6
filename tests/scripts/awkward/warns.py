import warnings

import torch
from fingerprint import data, fingerprint
from torch import nn

warnings.simplefilter("error")
torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
torch.use_deterministic_algorithms(True)
x, y = data()
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
warnings.simplefilter("ignore")
with torch.autograd.set_detect_anomaly(True, check_nan=True):
    warnings.simplefilter("error")
    for step in range(40):
        optimizer.zero_grad(set_to_none=step % 2 == 0)
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
print(fingerprint(model, optimizer))
