"""Data sets and a few habits that the recipes share."""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn


@functools.cache
def digits() -> tuple[Tensor, Tensor]:
    """1,797 handwritten digits: 64 gray values from 0 to 1, labels 0 to 9."""
    x, y = datasets.load_digits(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)


def digit_images() -> tuple[Tensor, Tensor]:
    """The same as images of one channel."""
    x, y = digits()
    return x.view(-1, 1, 8, 8), y


@functools.cache
def table(name: str) -> tuple[Tensor, Tensor]:
    """`wine`, `iris`, `breast_cancer` (classes) or `diabetes` (numbers), unscaled."""
    options = {"scaled": False} if name == "diabetes" else {}
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    y = torch.tensor(y)
    y = y.float()[:, None] if name == "diabetes" else y
    return torch.tensor(x, dtype=torch.float32), y


def standard(x: Tensor) -> Tensor:
    """Each column with mean 0 and standard deviation 1."""
    return (x - x.mean(0)) / x.std(0).clamp(min=1e-8)


def blobs(
    classes: int = 4, features: int = 20, size: int = 1000, spread: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Clouds of points around random centers."""
    y = torch.randint(classes, (size,))
    centers = 2 * torch.randn(classes, features) / features**0.25
    return centers[y] + spread * torch.randn(size, features), y


def spirals(size: int = 600, turns: float = 1.2) -> tuple[Tensor, Tensor]:
    """Two interleaved spirals in the plane."""
    y = torch.randint(2, (size,))
    r = torch.rand(size).sqrt()
    angle = 2 * np.pi * turns * r + np.pi * y
    points = torch.stack([r * angle.cos(), r * angle.sin()], 1)
    return 2 * points + 0.03 * torch.randn(size, 2), y


def surface(size: int = 800, features: int = 8) -> tuple[Tensor, Tensor]:
    """Friedman's regression surface, with inputs and targets near unit scale."""
    x = torch.rand(size, max(features, 5))
    y = 10 * (np.pi * x[:, 0] * x[:, 1]).sin() + 20 * (x[:, 2] - 0.5) ** 2
    y = y + 10 * x[:, 3] + 5 * x[:, 4]
    return 2 * x - 1, ((y - 14.4) / 5)[:, None]


def words(topics: int = 5, vocabulary: int = 500, size: int = 1500) -> tuple[Tensor, Tensor]:
    """Counts of words in short documents: nearly all are zero."""
    favor = torch.rand(topics, vocabulary) ** 8 + 1e-3
    y = torch.randint(topics, (size,))
    drawn = torch.multinomial(favor[y], 30, replacement=True)
    return torch.zeros(size, vocabulary).scatter_add_(1, drawn, torch.ones(size, 30)), y


def shapes(size: int = 800, side: int = 12) -> tuple[Tensor, Tensor]:
    """Small color images of bars, crosses and squares on noise, three classes."""
    x, y = 0.2 * torch.randn(size, 3, side, side), torch.randint(3, (size,))
    for image, kind in zip(x, y.tolist(), strict=True):
        r, c = torch.randint(2, side - 4, (2,)).tolist()
        color = 0.5 + torch.rand(3, 1, 1)
        if kind == 0:
            image[:, r : r + 1, 1:-1] += color
        elif kind == 1:
            image[:, r : r + 1, max(c - 2, 0) : c + 3] += color
            image[:, max(r - 2, 0) : r + 3, c : c + 1] += color
        else:
            image[:, r : r + 4, c : c + 4] += color
    return x, y


def echoes(size: int = 1000, length: int = 12, symbols: int = 6) -> tuple[Tensor, Tensor]:
    """Sequences of symbols; the target is the first one."""
    x = torch.randint(symbols, (size, length))
    return x, x[:, 0]


def waves(size: int = 600, length: int = 24) -> tuple[Tensor, Tensor]:
    """Noisy sine waves of random pitch and phase; the target is the next value."""
    t = torch.arange(length + 1.0)
    pitch, phase = 0.2 + 0.6 * torch.rand(size, 1), 6.3 * torch.rand(size, 1)
    wave = (pitch * t + phase).sin() + 0.05 * torch.randn(size, length + 1)
    return wave[:, :-1, None], wave[:, -1:]


class Batches:
    """Pairs in random order, anew for each epoch: a loader without its overhead."""

    def __init__(self, x: Tensor, y: Tensor, size: int = 64, shuffle: bool = True):
        self.x, self.y, self.size, self.shuffle = x, y, size, shuffle

    def __len__(self) -> int:
        return len(self.x) // self.size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self.x)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for i in order[: n - n % min(self.size, n)].split(self.size):
            yield self.x[i], self.y[i]


class Fresh:
    """Batches that are drawn as they are needed: `draw()` gives one pair."""

    def __init__(self, draw: Callable[[], tuple[Tensor, Tensor]]):
        self.draw = draw

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield self.draw()


def accuracy(
    x: Tensor, y: Tensor, classes: Callable[[Tensor], Tensor] = lambda z: z.argmax(-1)
) -> Callable[[nn.Module], float]:
    """A score: the share of classes that a model gets right."""

    def score(model: nn.Module) -> float:
        was = model.training
        with torch.no_grad():
            right = classes(model.eval()(x)) == y
        model.train(was)
        return float(right.float().mean())

    return score


def fit(x: Tensor, y: Tensor) -> Callable[[nn.Module], float]:
    """A score: the share of the targets' variance that a model explains (R²)."""

    def score(model: nn.Module) -> float:
        was = model.training
        with torch.no_grad():
            rest = (model.eval()(x) - y).square().mean(0)
        model.train(was)
        return float((1 - rest / y.var(0)).mean().clamp(min=-1))

    return score
