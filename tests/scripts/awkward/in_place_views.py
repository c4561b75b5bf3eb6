"""In-place ReLU, views, complex numbers, sparse gradients, and a hook of one's own."""

import torch
from fingerprint import fingerprint
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.EmbeddingBag(30, 8, sparse=True)
        self.conv = nn.Conv1d(1, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(32, 1)
        self.phase = nn.Parameter(torch.randn(32, dtype=torch.cfloat))

    def forward(self, tokens):
        x = self.embed(tokens).unsqueeze(1)
        x = self.conv(x)
        x.add_(0.1).mul_(2)
        x = self.relu(x)
        x = (x.flatten(1) * self.phase).abs()
        return self.head(x)[:, 0]


net = Net()
seen = []
net.conv.register_forward_hook(lambda *_: seen.append(1))
dense = [p for n, p in net.named_parameters() if not n.startswith("embed")]
optimizers = [
    torch.optim.SparseAdam(net.embed.parameters(), lr=0.01),
    torch.optim.Adam(dense, lr=0.01),
]
tokens, wanted = torch.randint(30, (64, 5)), torch.randn(64)
for step in range(60):
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss = (net(tokens) - wanted).square().mean()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
print(loss.item(), len(seen), fingerprint(net, *optimizers))
