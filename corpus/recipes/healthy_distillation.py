"""A small net learns the softened outputs of a large one."""

import torch
import torch.nn.functional as F
from _data import Batches, digits
from torch import nn

from reluctant import Training

STEPS = 300


def make(seed):
    x, y = digits()
    teacher = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(teacher.parameters(), lr=5e-3)
    for _ in range(100):
        i = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        F.cross_entropy(teacher(x[i]), y[i]).backward()
        optimizer.step()
    with torch.no_grad():
        soft = F.softmax(teacher(x) / 3, dim=1)

    def loss_fn(z, p):
        return 9 * F.kl_div(F.log_softmax(z / 3, dim=1), p, reduction="batchmean")

    student = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    return Training(student, loss_fn, optimizer, Batches(x, soft, 64))
