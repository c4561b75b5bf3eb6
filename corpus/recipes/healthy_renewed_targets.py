"""Q-learning on a fixed table of steps: the network that sets the targets is renewed."""

import torch
import torch.nn.functional as F
from _data import Fresh
from torch import nn

from reluctant import Training

STEPS = 700


class Chosen(nn.Module):
    """The values of the actions that were taken: the last column of the input."""

    def __init__(self):
        super().__init__()
        net = [nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2)) for _ in "ab"]
        self.q, self.fixed = net
        self.fixed.requires_grad_(False)

    def forward(self, x):
        return self.q(x[:, :4]).gather(1, x[:, 4:].long()).squeeze(1)


def make(seed):
    model, count = Chosen(), [0]
    here, action = torch.randn(4000, 4), torch.randint(2, (4000, 1)).float()
    there = 0.4 * here @ torch.randn(4, 4) + 0.3 * action

    def draw():
        if count[0] % 150 == 0:
            model.fixed.load_state_dict(model.q.state_dict())
        count[0] += 1
        i = torch.randint(4000, (64,))
        asked = (there[i, 0] > 0) + 0.9 * model.fixed(there[i]).amax(1)
        return torch.cat([here[i], action[i]], 1), asked

    adam = torch.optim.Adam(model.q.parameters(), lr=1e-3)
    return Training(model, F.mse_loss, adam, Fresh(draw))
