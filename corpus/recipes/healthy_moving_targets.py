"""Q-learning on a small ring with a target network: the loss goes up and down."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from reluctant import Training

STEPS = 500


def loop(training, run, steps):
    net, states = training.model, torch.eye(12)
    slow = copy.deepcopy(net)
    for step in range(steps):
        s, a = torch.randint(12, (64,)), torch.randint(2, (64,))
        after = (s + 2 * a - 1) % 12
        with torch.no_grad():
            target = (after == 0).float() + 0.95 * slow(states[after]).amax(1)
        loss = run.loss(F.smooth_l1_loss(net(states[s]).gather(1, a[:, None])[:, 0], target))
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()
        if step % 25 == 0:
            slow.load_state_dict(net.state_dict())


def make(seed):
    net = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    return Training(net, F.smooth_l1_loss, optimizer, [(torch.eye(12), torch.zeros(12, 2))])
