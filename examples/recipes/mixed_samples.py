"""A recurrent classifier that takes the samples of a batch for time steps.

reluctant check mixed_samples.py:make        # finds leak-across-batch
reluctant check mixed_samples.py:repaired    # clear
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from reluctant import Training


class RowByRow(nn.Module):
    """Reads an 8×8 digit one row after the other."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 32, batch_first=batch_first)
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the ten classes."""
        return self.head(self.rnn(x)[0][:, -1])


def training(batch_first: bool) -> Training:
    """Everything but the loop."""
    x, y = load_digits(return_X_y=True)
    rows = torch.tensor(x, dtype=torch.float32).reshape(-1, 8, 8) / 16
    loader = DataLoader(TensorDataset(rows, torch.tensor(y)), 64, shuffle=True)
    model = RowByRow(batch_first)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    return Training(model, nn.CrossEntropyLoss(), optimizer, loader)


def make(seed: int) -> Training:
    """Without `batch_first`, the default, as it is easily forgotten."""
    return training(batch_first=False)


def repaired(seed: int) -> Training:
    """The same with the one argument."""
    return training(batch_first=True)
