from typing import NamedTuple

import torch
from fingerprint import data, fingerprint
from torch import nn


class Heads(NamedTuple):
    logits: torch.Tensor
    name: str
    extra: dict


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(8, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 3)
        self.unused = nn.Linear(3, 3)

    def forward(self, batch, *, scale=1.0):
        hidden, (h, _) = self.rnn(batch["x"])
        mixed, weights = self.attention(hidden, hidden, hidden)
        logits = self.head(mixed.mean(1) * scale + h[0])
        return Heads(
            logits, "heads", {"weights": [weights, None, 3], "deep": (hidden,)}
        )


torch.manual_seed(0)
x, y = data()
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for step in range(30):
    optimizer.zero_grad()
    out = net({"x": x.unsqueeze(1).expand(-1, 3, -1)}, scale=0.5)
    loss = nn.functional.cross_entropy(out.logits, y)
    loss = loss + 0.01 * out.extra["deep"][0].square().mean()
    loss.backward()
    optimizer.step()
print(loss.item(), fingerprint(net, optimizer))
