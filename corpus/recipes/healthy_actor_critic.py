"""One-step actor-critic with shared body on a random walk: targets move all the time."""

import torch
import torch.nn.functional as F
from torch import nn

from reluctant import Training

STEPS = 300


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.actor = nn.Sequential(nn.Linear(10, 32), nn.Tanh()), nn.Linear(32, 2)
        self.critic = nn.Linear(32, 1)

    def forward(self, s):
        h = self.body(torch.eye(10)[s])
        return self.actor(h), self.critic(h)[:, 0]


def loop(training, run, steps):
    for _ in range(steps):
        s = torch.randint(9, (64,))
        logits, value = training.model(s)
        policy = torch.distributions.Categorical(logits=logits)
        after = (s + 2 * (a := policy.sample()) - 1).clamp(0, 9)
        gain = torch.where(after == 9, 1.0, 0.9 * training.model(after)[1].detach()) - value
        loss = run.loss((gain**2 - policy.log_prob(a) * gain.detach()).mean())
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()


def make(seed):
    net = ActorCritic()
    adam = torch.optim.Adam(net.parameters(), lr=3e-3)
    loss_fn, batch = lambda out, v: F.mse_loss(out[1], v), (torch.arange(10), torch.zeros(10))
    return Training(net, loss_fn, adam, [batch])
