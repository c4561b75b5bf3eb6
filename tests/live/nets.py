"""Small trainings of every kind that watching must leave alone."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer


class Functional(nn.Module):
    """Activations as functions and methods, dropout, a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = (
            nn.Linear(8, 12),
            nn.Linear(12, 12),
            nn.Linear(12, 6),
        )
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.fc1(x))
        h = F.dropout(h + torch.relu(self.fc2(h)), 0.2, self.training)
        return self.out(self.fc3(h).clamp(min=0))


class Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
            nn.Dropout(0.1), nn.Conv2d(6, 4, 3), nn.LeakyReLU(0.1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(4 * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.view(-1, 1, 8, 8)))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 16)
        self.block = nn.TransformerEncoderLayer(
            16, 2, 32, dropout=0.1, batch_first=True
        )
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.embed(x.view(-1, 16, 4))).mean(1))


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Linear(16, 3),
    )  # fmt: skip


NETS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "mlp": (mlp, 8),
    "functional": (Functional, 8),
    "conv": (Conv, 64),
    "attention": (Attention, 64),
}
OPTIMIZERS: dict[str, Callable[[Iterator[nn.Parameter]], Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, 1e-2),
}


@dataclass
class Batch:
    x: Tensor
    y: Tensor


def batches(features: int, count: int, size: int = 16) -> Iterator[Batch]:
    """Drawn from the global random stream, as users draw them."""
    for _ in range(count):
        x = torch.randn(size, features)
        yield Batch(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long())


def everything(model: nn.Module, optimizer: Optimizer) -> dict[str, bytes]:
    """All that a training leaves behind, as bytes."""
    state: dict[str, object] = dict(model.state_dict())
    state |= {f"grad.{n}": p.grad for n, p in model.named_parameters()}
    for i, entry in enumerate(optimizer.state.values()):
        state |= {f"state.{i}.{k}": v for k, v in entry.items()}
    state["torch"] = torch.get_rng_state()
    seen = {
        k: v.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        if isinstance(v, Tensor) and v.numel()
        else repr(v).encode()
        for k, v in state.items()
    }
    seen["python"] = repr(random.getstate()).encode()
    seen["modes"] = repr([m.training for m in model.modules()]).encode()
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()
    ]
    seen["hooks"] = repr(hooks).encode()
    return seen


__all__ = ["NETS", "OPTIMIZERS", "Batch", "batches", "everything"]
