"""How well the limit of the learning rate is told from short trainings: one table.

Each training is mapped as `reluctant map` does (8 seeds, rates 1.1 or 1.15 apart, more
trainings near the boundary) and predicted by probes and by the gauge. `dying-output`
and its variants need MNIST: FOLDER, or RELUCTANT_DATA, with the four gzipped IDX files,
of which 20,000 images are used. The other nets train on the 8×8 digits of scikit-learn,
or on a random teacher. Those marked fresh played no part while the search was settled.

    python benchmarks/step_size_limit.py [--data FOLDER] [--only NAME[;NAME...]]
        [--gap GAP]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before anything loads a thread pool
sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "src")]

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from reluctant.cases._data import load_digits  # noqa: E402
from reluctant.lab import Training, step_size_limit, success_map  # noqa: E402
from reluctant.probes._update import Unmeasurable  # noqa: E402

SAMPLES = 20_000  # of MNIST
MOST_GAUGE = 15_000  # steps of its probes
SEEDS = 8  # of a map, by default


@cache
def images(is_mnist: bool) -> tuple[torch.Tensor, torch.Tensor]:
    if is_mnist:
        found = load_digits()
        x, y = found.train_x[:SAMPLES], found.train_y[:SAMPLES]
        return torch.from_numpy(x), torch.from_numpy(y).long()
    from sklearn.datasets import load_digits as small

    x, y = small(return_X_y=True)
    return torch.from_numpy(x / 16).float(), torch.from_numpy(y)


@cache
def one_hot(is_mnist: bool, inputs: float = 1.0, targets: float = 1.0) -> TensorDataset:
    x, y = images(is_mnist)
    return TensorDataset(x * inputs, nn.functional.one_hot(y, 10).float() * targets)


leaky = partial(nn.LeakyReLU, 0.2)


def dying(
    seed: int,
    inputs: float = 1.0,
    targets: float = 1.0,
    width: int = 100,
    std: float = 0.01,
    hidden: Callable[[], nn.Module] = nn.ReLU,
    head: Callable[[], nn.Module] = nn.ReLU,
    batch_size: int = 1,
    **options: Any,
) -> Training:
    first, last = nn.Linear(784, width), nn.Linear(width, 10)
    model = nn.Sequential(first, hidden(), last, head())
    for layer in (first, last):
        nn.init.normal_(layer.weight, std=std)
        nn.init.zeros_(layer.bias)
    sgd = torch.optim.SGD(model.parameters(), **({"lr": 0.005} | options))
    data = one_hot(True, inputs, targets)
    batches = DataLoader(data, batch_size=batch_size, shuffle=True)
    return Training(model, nn.MSELoss(reduction="sum"), sgd, batches)


Optimizer = Callable[..., torch.optim.Optimizer]
sgd = partial(torch.optim.SGD, lr=0.05)
momentum = partial(torch.optim.SGD, lr=0.005, momentum=0.9)
adam = partial(torch.optim.Adam, lr=0.001)


def mlp(
    seed: int,
    *,
    optimizer: Optimizer = sgd,
    hidden: int = 1,
    activation: Callable[[], nn.Module] = nn.ReLU,
    squared: bool = False,
    batch_size: int = 16,
) -> Training:
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise((*[64] * (hidden + 1), 10)):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    model = nn.Sequential(*layers[:-1])
    data = one_hot(False) if squared else TensorDataset(*images(False))
    loss: nn.Module = nn.MSELoss() if squared else nn.CrossEntropyLoss()
    batches = DataLoader(data, batch_size=batch_size, shuffle=True)
    return Training(model, loss, optimizer(model.parameters()), batches)


def convolutional(seed: int, optimizer: Optimizer = sgd) -> Training:
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(72, 10),
    )
    batches = DataLoader(one_hot(False), batch_size=16, shuffle=True)
    return Training(model, nn.MSELoss(), optimizer(model.parameters()), batches)


@cache
def taught() -> TensorDataset:
    numbers = torch.Generator().manual_seed(5)
    x = torch.randn(1000, 8, generator=numbers)
    first = torch.randn(8, 6, generator=numbers)
    last = torch.randn(6, 1, generator=numbers)
    return TensorDataset(x, torch.relu(x @ first) @ last / 6)


def student(
    seed: int,
    optimizer: Optimizer = sgd,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> Training:
    model = nn.Sequential(nn.Linear(8, 32), activation(), nn.Linear(32, 1))
    batches = DataLoader(taught(), batch_size=8, shuffle=True)
    return Training(model, nn.MSELoss(), optimizer(model.parameters()), batches)


@dataclass(frozen=True)
class Case:
    """One training and how it is mapped.

    Attributes:
        make: Recipe.
        low: Lowest rate of the map.
        high: Highest.
        ratio: Between rates.
        steps: Of a training.
        unit: What rates are shown times: 2 makes Σ(y − t)² the ½Σ(y − t)² of the case.
        fresh: Whether it played no part while the search was settled.
    """

    make: Callable[[int], Training]
    low: float = 0.005
    high: float = 0.11
    ratio: float = 1.1
    steps: int = 60_000
    unit: float = 2.0
    fresh: bool = False


new = partial(Case, fresh=True)
other = partial(Case, ratio=1.15, steps=2000, unit=1.0, low=0.1, high=20.0)
slow = partial(other, low=0.01, high=5.0)  # momentum
adaptive = partial(other, low=0.003, high=2.0)
CASES = {
    "dying-output": Case(dying),
    "inputs ×½": Case(partial(dying, inputs=0.5)),
    "inputs ×2": Case(partial(dying, inputs=2.0)),
    "30 units": Case(partial(dying, width=30)),
    "400 units": new(partial(dying, width=400)),
    "targets ×2": new(partial(dying, targets=2.0)),
    "targets ×½": new(partial(dying, targets=0.5)),
    "leaky 0.2": Case(partial(dying, hidden=leaky, head=leaky)),
    "linear head": Case(partial(dying, head=nn.Identity)),
    "std 0.03": new(partial(dying, std=0.03)),
    "dying, momentum 0.9": Case(
        partial(dying, momentum=0.9, lr=0.0005), low=0.0005, high=0.02
    ),
    "dying, linear head, momentum 0.9": new(
        partial(dying, momentum=0.9, lr=0.0005, head=nn.Identity), low=0.0005, high=0.02
    ),
    "dying, batch 16": Case(
        partial(dying, batch_size=16), low=0.002, high=0.3, steps=10_000
    ),
    "deeper MLP": other(partial(mlp, hidden=3, squared=True)),
    "CNN": other(convolutional, low=0.05, high=10.0, steps=1000),
    "cross-entropy": other(mlp),
    "cross-entropy, momentum 0.9": slow(partial(mlp, optimizer=momentum)),
    "cross-entropy, Adam": adaptive(partial(mlp, optimizer=adam)),
    "deeper MLP, momentum 0.9": slow(
        partial(mlp, hidden=3, squared=True, optimizer=momentum)
    ),
    "deeper MLP, Adam": adaptive(
        partial(mlp, hidden=3, squared=True, optimizer=adam), low=0.001, high=1.0
    ),
    "deep cross-entropy, Adam": adaptive(
        partial(mlp, hidden=3, optimizer=adam), low=0.001, high=1.0
    ),
    "tanh, momentum 0.9": slow(partial(mlp, activation=nn.Tanh, optimizer=momentum)),
    "whole batch": other(partial(mlp, batch_size=1797), steps=500),
    "batch 1": other(partial(mlp, batch_size=1), low=0.01, high=2.0, steps=8000),
    "teacher": other(student, low=0.01, high=3.0),
    "teacher, Adam": adaptive(partial(student, optimizer=adam)),
    "teacher, tanh, Adam": adaptive(
        partial(student, activation=nn.Tanh, optimizer=adam)
    ),
    "CNN, momentum 0.9": slow(
        partial(convolutional, optimizer=momentum), steps=1000, fresh=True
    ),
    "CNN, Adam": adaptive(
        partial(convolutional, optimizer=adam), low=0.001, steps=1000, fresh=True
    ),
    "sigmoid": other(partial(mlp, activation=nn.Sigmoid), high=50.0, fresh=True),
    "weight decay": other(
        partial(mlp, optimizer=partial(torch.optim.SGD, lr=0.05, weight_decay=1e-3)),
        fresh=True,
    ),
}


def measure(name: str, case: Case, gap: float) -> str:
    """One line of the table."""
    rates = [case.low]
    while rates[-1] < case.high:
        rates.append(rates[-1] * case.ratio)
    found = success_map(
        case.make,
        rates,
        seeds=SEEDS,
        steps=case.steps,
        success=f"gap<{gap}",
        workers=1,
        predict=False,
    )
    part = found.slices[0]
    true, unit = part.threshold, case.unit
    spent = sum(run.steps for run in part.runs)
    steps = case.steps // 4
    limit = step_size_limit(case.make, steps=steps, gap=gap)
    low, high = (unit * end for end in limit.interval)
    gauge = "none"
    with contextlib.suppress(Unmeasurable):
        few = max(100, min(MOST_GAUGE, steps))
        told = step_size_limit(case.make, method="gauge", steps=few, measured=750)
        if math.isfinite(told.value):
            gauge = f"{unit * told.value:.3g} ({told.value / true.median - 1:+.0%})"
    return (
        f"| {name}{' (fresh)' if case.fresh else ''} | {unit * true.median:.3g} | "
        f"{unit * true.low:.3g} to {unit * true.high:.3g} | {unit * limit.value:.3g} | "
        f"{low:.3g} to {high:.3g} | {limit.value / true.median - 1:+.0%} | "
        f"{limit.steps / spent:.1%} | {gauge} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of MNIST")
    parser.add_argument("--only", help="names, separated by semicolons")
    parser.add_argument("--gap", type=float, default=0.05, help="that is a success")
    given = parser.parse_args()
    if given.data:
        os.environ["RELUCTANT_DATA"] = given.data
    names = given.only.split(";") if given.only else list(CASES)
    print(
        "| training | measured | interval | probes | interval | error | steps | gauge |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        print(measure(name, CASES[name], given.gap), flush=True)


if __name__ == "__main__":
    main()
