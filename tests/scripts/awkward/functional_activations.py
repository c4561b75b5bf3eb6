import torch
import torch.nn.functional as F
from fingerprint import data, fingerprint
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(7))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        a, b, c, d, e, f, g = self.layers
        x = F.relu(a(x))
        x = torch.relu_(b(x))
        x = c(x).clamp(min=0)
        x = F.gelu(self.norm(d(x)))
        x = torch.maximum(e(x), torch.zeros(()))
        x = F.leaky_relu(f(x), 0.1, inplace=True)
        x = F.dropout(g(x).tanh().sigmoid(), 0.1, self.training)
        return F.log_softmax(self.head(x), dim=-1)


x, y = data()
net = Net()
optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
for epoch in range(20):
    for i in range(0, len(x), 32):
        optimizer.zero_grad()
        loss = F.nll_loss(net(x[i : i + 32]), y[i : i + 32])
        loss.backward()
        optimizer.step()
print(loss.item(), fingerprint(net, optimizer))
