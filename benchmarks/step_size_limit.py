"""How well the limit of the learning rate is told from smaller ones: one table.

Each training is mapped (3 seeds, rates 1.1 or 1.15 apart, near the boundary only) and
predicted from probes below it. `dying-output` with nine variants needs MNIST: FOLDER,
or RELUCTANT_DATA, with the four gzipped IDX files, of which 20,000 images are used.
The other nets train on the 8×8 digits of scikit-learn.

    python benchmarks/step_size_limit.py [--data FOLDER] [--only NAME[,NAME...]]
        [--success CRITERION]
"""

from __future__ import annotations

import argparse
import itertools
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

SAMPLES = 20_000  # of MNIST
MOST_PROBE = 15_000


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
) -> Training:
    first, last = nn.Linear(784, width), nn.Linear(width, 10)
    model = nn.Sequential(first, hidden(), last, head())
    for layer in (first, last):
        nn.init.normal_(layer.weight, std=std)
        nn.init.zeros_(layer.bias)
    sgd = torch.optim.SGD(model.parameters(), lr=0.005)
    batches = DataLoader(one_hot(True, inputs, targets), batch_size=1, shuffle=True)
    return Training(model, nn.MSELoss(reduction="sum"), sgd, batches)


def deep(seed: int) -> Training:
    widths = (64, 64, 64, 64, 10)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    sgd = torch.optim.SGD(model.parameters(), lr=0.05)
    batches = DataLoader(one_hot(False), batch_size=16, shuffle=True)
    return Training(model, nn.MSELoss(), sgd, batches)


def entropy(seed: int, optimizer: Any = torch.optim.SGD, **options: Any) -> Training:
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    batches = DataLoader(TensorDataset(*images(False)), batch_size=16, shuffle=True)
    stepper = optimizer(model.parameters(), **options)
    return Training(model, nn.CrossEntropyLoss(), stepper, batches)


def convolutional(seed: int) -> Training:
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(72, 10),
    )
    sgd = torch.optim.SGD(model.parameters(), lr=0.02)
    batches = DataLoader(one_hot(False), batch_size=16, shuffle=True)
    return Training(model, nn.MSELoss(), sgd, batches)


@dataclass(frozen=True)
class Case:
    """One training and how it is mapped.

    Attributes:
        make: Recipe.
        low: Lowest rate of the map.
        high: Highest.
        ratio: Between rates.
        steps: Of a training.
        success: Criterion of the map. One lost output of ten costs 11 %.
        unit: What rates are shown times: 2 makes Σ(y − t)² the ½Σ(y − t)² of the case.
    """

    make: Callable[[int], Training]
    low: float = 0.005
    high: float = 0.11
    ratio: float = 1.1
    steps: int = 60_000
    success: str = "gap<0.1"
    unit: float = 2.0


other = partial(Case, ratio=1.15, steps=2000, success="gap<0.05", unit=1.0)
CASES = {
    "dying-output": Case(dying),
    "inputs ×½": Case(partial(dying, inputs=0.5)),
    "inputs ×2": Case(partial(dying, inputs=2.0)),
    "30 units": Case(partial(dying, width=30)),
    "400 units": Case(partial(dying, width=400)),
    "targets ×2": Case(partial(dying, targets=2.0)),
    "targets ×½": Case(partial(dying, targets=0.5)),
    "leaky 0.2": Case(partial(dying, hidden=leaky, head=leaky)),
    "linear head": Case(partial(dying, head=nn.Identity)),
    "std 0.03": Case(partial(dying, std=0.03)),
    "deeper MLP": other(deep, low=0.1, high=20.0),
    "CNN": other(convolutional, low=0.05, high=10.0, steps=1000),
    "cross-entropy": other(
        partial(entropy, optimizer=torch.optim.SGD, lr=0.05), low=0.1, high=20.0
    ),
    "momentum 0.9": other(
        partial(entropy, optimizer=torch.optim.SGD, lr=0.005, momentum=0.9),
        low=0.01,
        high=5.0,
    ),
    "Adam": other(
        partial(entropy, optimizer=torch.optim.Adam, lr=0.001), low=0.003, high=2.0
    ),
}


def measure(name: str, case: Case, success: str) -> str:
    """One line of the table."""
    rates = [case.low]
    while rates[-1] < case.high:
        rates.append(rates[-1] * case.ratio)
    found = success_map(
        case.make,
        rates,
        seeds=3,
        steps=case.steps,
        success=success,
        workers=1,
        predict=False,
    )
    part = found.slices[0]
    spent = sum(run.steps for run in part.runs)
    limit = step_size_limit(
        case.make, steps=max(100, min(MOST_PROBE, case.steps // 4)), measured=750
    )
    true, unit = part.threshold, case.unit
    error = limit.value / true.median - 1
    return (
        f"| {name} | {unit * true.median:.3g} | {unit * true.low:.3g} to "
        f"{unit * true.high:.3g} | {unit * limit.value:.3g} | "
        f"{unit * limit.interval[0]:.3g} to {unit * limit.interval[1]:.3g} | "
        f"{error:+.0%} | {limit.steps:,} / {spent:,} = {limit.steps / spent:.1%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of MNIST")
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--success", help="criterion of the maps, instead of their own")
    given = parser.parse_args()
    if given.data:
        os.environ["RELUCTANT_DATA"] = given.data
    names = given.only.split(",") if given.only else list(CASES)
    print("| training | measured | interval | predicted | interval | error | steps |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        case = CASES[name]
        print(measure(name, case, given.success or case.success), flush=True)


if __name__ == "__main__":
    main()
