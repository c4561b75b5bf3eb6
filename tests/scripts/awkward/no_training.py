import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Flatten(), nn.ReLU())
print(sum(p.numel() for p in model.parameters()), model(torch.randn(3, 4)).sum().item())
