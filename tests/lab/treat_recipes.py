"""Small trainings to treat: one sick, one healthy, one hopeless."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant.lab import Training


def _data(seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(256, 6, generator=generator)
    y = torch.stack([x[:, 0].abs() + x[:, 1], x[:, 2]], dim=1)
    return TensorDataset(x, y)


def _mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


def too_fast(seed: int, rate: float = 3.0) -> Training:
    """Plain descent far past its limit: every start diverges."""
    model = _mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    batches = DataLoader(_data(0), batch_size=32, shuffle=True)
    return Training(model, nn.MSELoss(), optimizer, batches)


def healthy(seed: int) -> Training:
    return too_fast(seed, 0.1)


def alike_columns(seed: int) -> Training:
    """Columns that are nearly copies of each other; what counts sets them apart."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 1, generator=generator).expand(256, 3)
    x = x + 0.02 * torch.randn(256, 3, generator=generator)
    y = 50 * (x @ torch.tensor([[1.0], [-2.0], [1.0]]))
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    batches = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    return Training(model, nn.MSELoss(), optimizer, batches)


class Bare(nn.Module):
    """The same as people write it; the fused engine does not take it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(6, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.hidden(x)))


def in_torch(seed: int, rate: float = 3.0) -> Training:
    model = Bare()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    batches = DataLoader(_data(0), batch_size=32, shuffle=True)
    return Training(model, nn.MSELoss(), optimizer, batches)


def noise(seed: int) -> Training:
    """Targets that have nothing to do with the inputs, fresh in each batch."""

    class Noise:
        def __len__(self) -> int:
            return 8

        def __iter__(self):
            for _ in range(8):
                yield torch.randn(64, 6), torch.randn(64, 2)

    model = Bare()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return Training(model, nn.MSELoss(), optimizer, Noise())
