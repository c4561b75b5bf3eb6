"""The official MNIST example in small: convolutions, dropout, log_softmax and nll_loss."""

import torch
import torch.nn.functional as F
from _data import Batches, digit_images
from torch import nn

from reluctant import Training

STEPS = 200


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1)
        self.conv2 = nn.Conv2d(16, 32, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(128, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


def make(seed):
    net = Net()
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
    return Training(net, F.nll_loss, optimizer, Batches(*digit_images(), 64))
