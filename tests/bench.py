"""One healthy training; every disease in the tests is that, spoiled in one line."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.records import Diagnosis, Trace

FEATURES, CLASSES, BATCH, SAMPLES = 32, 4, 64, 1024


def mlp(
    depth: int = 3, activation: type[nn.Module] = nn.ReLU, gain: float = 1.0
) -> nn.Sequential:
    """He-initialized blocks of width 32, and a linear read-out."""
    layers = [nn.Linear(FEATURES, FEATURES) for _ in range(depth)]
    head = nn.Linear(FEATURES, CLASSES)
    for layer in (*layers, head):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        layer.weight.data *= gain
    body = [m for layer in layers for m in (layer, activation())]
    return nn.Sequential(*body, head)


def rectified_head(bias: float = 0.0) -> nn.Sequential:
    """The same with a rectifier on the outputs, the first of which gets a bias."""
    model = mlp(depth=1)
    model[2].bias.data[0] = bias
    return model.append(nn.ReLU())


def evaluated(
    model: nn.Module, loss: Callable[..., Tensor], x: Tensor, y: Tensor, keep: int
) -> Tensor:
    """An order of the first `keep` samples, after an evaluation on the last half."""
    watch = WATCHES[-1]
    with torch.no_grad():
        watch.loss(loss(model(x[512:]), y[512:]))
    return torch.randperm(keep)


WATCHES: list[Any] = []  # the last one is under way


class Training:
    """The healthy training after `spoiler` has run, which may rebind any part.

    The parts are `x` of shape `(1024, 32)`, `y` of shape `(1024,)`, `model`,
    `parameters` (None for all), `lr`, `optimizer`, `loss`, `zero_grad`, `order` (of
    the samples in an epoch), `every` (so many batches to a step), `before_step`,
    `step`, `after_step` and `scaler` (of gradients).
    """

    def __init__(self, spoiler: str = "", seed: int = 0) -> None:
        torch.manual_seed(seed)
        centers = 2 * torch.randn(CLASSES, FEATURES)
        y = torch.randint(CLASSES, (SAMPLES,))
        scope: dict[str, Any] = {
            "x": centers[y] + torch.randn(SAMPLES, FEATURES),
            "y": y,
            "model": mlp(),
            "parameters": None,
            "lr": 0.05,
            "optimizer": torch.optim.SGD,
            "loss": F.cross_entropy,
            "zero_grad": lambda optimizer: optimizer.zero_grad(),
            "before_step": lambda model: None,
            "step": lambda scaler, optimizer: scaler.step(optimizer),
            "after_step": lambda optimizer, step: None,
            "order": torch.randperm,
            "every": 1,
            "scaler": torch.amp.GradScaler("cpu", enabled=False),
            "torch": torch,
            "nn": nn,
            "F": F,
            "mlp": mlp,
            "rectified_head": rectified_head,
            "evaluated": evaluated,
        }
        exec(spoiler, scope)
        self.model: nn.Module = scope["model"]
        self.x: Tensor = scope["x"]
        self.y: Tensor = scope["y"]
        self.loss: Callable[[Tensor, Tensor], Tensor] = scope["loss"]
        self.zero_grad: Callable[[torch.optim.Optimizer], None] = scope["zero_grad"]
        self.step: Callable[[Any, torch.optim.Optimizer], None] = scope["step"]
        self.before_step: Callable[[nn.Module], None] = scope["before_step"]
        self.after_step: Callable[[torch.optim.Optimizer, int], None]
        self.after_step = scope["after_step"]
        self.every: int = scope["every"]
        self.order: Callable[[int], Tensor] = scope["order"]
        self.scaler: torch.amp.GradScaler = scope["scaler"]
        parameters = scope["parameters"] or self.model.parameters()
        self.optimizer = scope["optimizer"](parameters, lr=scope["lr"])

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end, in an order of their own each epoch."""
        while True:
            for i in self.order(len(self.x)).split(BATCH):
                yield self.x[i], self.y[i]

    def run(self, steps: int = 120) -> tuple[Diagnosis, Trace]:
        """Train under watch."""
        with reluctant.watch(self.model, self.optimizer, budget=1.0) as run:
            WATCHES[:] = [run]
            batches = self.batches()
            for step in range(steps):
                self.zero_grad(self.optimizer)
                for x, y in islice(batches, self.every):
                    loss = run.loss(self.loss(self.model(x), y))
                    self.scaler.scale(loss).backward()
                self.before_step(self.model)
                self.step(self.scaler, self.optimizer)
                self.scaler.update()
                self.after_step(self.optimizer, step + 1)
        return run.diagnosis, run.trace

    def check(self) -> Diagnosis:
        """Look it over before it begins."""
        batches = list(zip(self.x.split(BATCH), self.y.split(BATCH), strict=True))
        return reluctant.check(
            self.model, self.loss, self.optimizer, batches, budget=60.0
        )
