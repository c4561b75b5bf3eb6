"""Nets to operate on, and what their bits are."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.changes import Context, Plain


class Functional(nn.Module):
    """A net as people write it: layers in __init__, everything else in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc1 = nn.Linear(4 * 4 * 4, 12)
        self.fc2 = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        x = x.view(x.size(0), -1)
        return self.fc2(torch.relu(self.fc1(x)))


class Cube(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x**3


class Switch(nn.Module):
    def __init__(self, slope: float = 1000) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.slope * x)


class Inline(nn.Module):
    """Activations of the author's own, written where they are needed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc1 = nn.Linear(4 * 3 * 3, 12)
        self.fc2 = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = F.max_pool2d(x * torch.sigmoid(1.5 * x), 2)
        x = self.fc1(x.flatten(1))
        return self.fc2(0.1 * x.pow(3) - torch.sin(x))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.a(x))
        return self.c(h + torch.relu(self.b(h)))


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 3)
    )


def cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 16, 3),
    )


def own() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 8), Switch(), nn.Linear(8, 7), Cube(), nn.Linear(7, 3)
    )


NETS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (mlp, (5,)),
    "cnn": (cnn, (1, 8, 8)),
    "functional": (Functional, (1, 8, 8)),
    "own": (own, (5,)),
    "inline": (Inline, (1, 8, 8)),
}
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.003),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.003, amsgrad=True),
}


def patient(
    net: str, optimizer: str = "sgd", *, steps: int = 5
) -> tuple[Plain, Context]:
    """A net that has trained a little, and batches like those it saw."""
    torch.manual_seed(0)
    make, shape = NETS[net]
    model = make()
    batches = [(torch.randn(32, *shape), torch.randint(3, (32,))) for _ in range(4)]
    found = Plain(model, F.cross_entropy, OPTIMIZERS[optimizer](model.parameters()))
    train(found, batches, steps)
    return found, Context(batches, steps=100, seed=1)


def train(sick: Any, batches: Any, steps: int) -> list[float]:
    losses = []
    for k in range(steps):
        x, y = batches[k % len(batches)]
        loss = sick.loss_fn(sick.model(x), y)
        sick.optimizer.zero_grad()
        loss.backward()
        sick.optimizer.step()
        losses.append(loss.item())
    return losses


def bits(sick: Any) -> list[Any]:
    """Everything that training depends on, as bytes and identities."""
    out: list[Any] = [type(sick.optimizer), sick.loss_fn, str(sick.model)]
    for name, value in sick.model.state_dict(keep_vars=True).items():
        grad = None if value.grad is None else value.grad.numpy().tobytes()
        out.append((name, id(value), value.detach().numpy().tobytes(), grad))
    for group in sick.optimizer.param_groups:
        out.append([(k, v) for k, v in group.items() if k != "params"])
        out.append([id(p) for p in group["params"]])
    for p in (p for g in sick.optimizer.param_groups for p in g["params"]):
        state = sick.optimizer.state.get(p) or {}
        out.append(
            [
                (k, v.numpy().tobytes() if isinstance(v, Tensor) else v)
                for k, v in state.items()
            ]
        )
    hooks = [
        m
        for m in sick.model.modules()
        for m in (m._forward_hooks, m._forward_pre_hooks)
    ]
    out.append([list(h.values()) for h in hooks])
    out.append(list(sick.optimizer._optimizer_step_pre_hooks.values()))
    out.append(list(sick.optimizer._optimizer_step_post_hooks.values()))
    out.append("forward" in vars(sick.model))
    return out


@torch.no_grad()
def outputs(sick: Any, batches: Any) -> Tensor:
    was = sick.model.training
    sick.model.eval()
    found = torch.cat([sick.model(x) for x, _ in batches])
    sick.model.train(was)
    return found


@torch.no_grad()
def kill(sick: Any, site: str, units: list[int]) -> None:
    """Let units be constant for every input, and below any hinge, norm or no norm."""
    layer = sick.model.get_submodule(site)
    layer.weight[units] = 0.0
    layer.bias[units] = -1.0
    for name, norm in sick.model.named_modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.num_features == len(layer.weight):
            del name
            norm.bias[units] = -50.0
