"""Two graph convolutions on one graph, the loss on the nodes with labels: full batch."""

import torch
import torch.nn.functional as F
from torch import nn

from reluctant import Training

STEPS = 200


class GCN(nn.Module):
    def __init__(self, adjacency):
        super().__init__()
        self.register_buffer("a", adjacency)
        self.l1, self.l2 = nn.Linear(16, 32), nn.Linear(32, 3)

    def forward(self, x):
        x = F.relu(self.a @ self.l1(x))
        return self.a @ self.l2(F.dropout(x, 0.3, self.training))


def make(seed):
    y = torch.randint(3, (240,))
    linked = torch.rand(240, 240) < torch.where(y[:, None] == y, 0.06, 0.01)
    a = ((linked | linked.T).float() + torch.eye(240)).clamp(max=1)
    d = a.sum(1) ** -0.5
    x = torch.randn(240, 16) + 0.5 * F.one_hot(y, 16)
    known = torch.where(torch.rand(240) < 0.3, y, -100)
    net = GCN(d[:, None] * a * d)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=5e-4)
    return Training(net, nn.CrossEntropyLoss(ignore_index=-100), optimizer, [(x, known)])
