"""REINFORCE on a contextual bandit: the loss says little, the reward grows."""

import torch
import torch.nn.functional as F
from torch import nn

from reluctant import Training

STEPS = 300


def loop(training, run, steps):
    policy, optimizer = training.model, training.optimizer
    for _ in range(steps):
        state = torch.randint(8, (64,))
        dist = torch.distributions.Categorical(logits=policy(F.one_hot(state, 8).float()))
        action = dist.sample()
        reward = (action == state % 4).float()
        loss = run.loss(-(dist.log_prob(action) * (reward - reward.mean())).mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def make(seed):
    policy = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    return Training(policy, nn.MSELoss(), optimizer, [(torch.eye(8), torch.zeros(8, 4))])
