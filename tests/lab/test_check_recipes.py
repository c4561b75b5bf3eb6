"""A check finds what is wrong with trainings as people write them, and only there."""

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from reluctant import Training
from reluctant.lab import build, check_training
from reluctant.records import Severity

torch.set_num_threads(1)
pytestmark = pytest.mark.slow


class Case(NamedTuple):
    make: Callable[[bool], Training]
    causes: set[str]


def digits(*, images: bool = False) -> tuple[Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    pixels = torch.tensor(x, dtype=torch.float32) / 16
    return pixels.reshape(-1, 1, 8, 8) if images else pixels, torch.tensor(y)


def loader(x: Tensor, y: Tensor, size: int = 64) -> DataLoader:
    return DataLoader(TensorDataset(x, y), size, shuffle=True)


def classify(model: nn.Module, data, *, optimizer=None) -> Training:
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=2e-3)
    return Training(model, nn.CrossEntropyLoss(), optimizer, loader(*data))


def mlp(*sizes: int, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


def small_init(faulty: bool) -> Training:
    model = mlp(64, 64, 64, 64, 64, 64, 10)
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        layer.weight.data *= 0.01 if faulty else 1.0
    return classify(model, digits())


def large_step(faulty: bool) -> Training:
    model = mlp(64, 64, 10)
    sgd = torch.optim.SGD(model.parameters(), lr=50.0 if faulty else 0.1)
    return classify(model, digits(), optimizer=sgd)


def layer_left_out(faulty: bool) -> Training:
    model = mlp(64, 64, 64, 10)
    kept = [p for n, p in model.named_parameters() if not (faulty and n[0] == "2")]
    return classify(model, digits(), optimizer=torch.optim.Adam(kept, lr=2e-3))


def nan_in_input(faulty: bool) -> Training:
    x, y = digits()
    if faulty:
        x[::200, 5] = torch.nan
    return classify(mlp(64, 64, 10), (x, y))


def softmax_over_samples(faulty: bool) -> Training:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = mlp(64, 64, 32), nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            h = self.body(x)
            return self.head(h * torch.softmax(h, dim=0 if faulty else 1))

    return classify(Net(), digits())


class CNN(nn.Module):
    def __init__(self, mixed: bool = False, norm: bool = True) -> None:
        super().__init__()
        self.mixed = mixed
        self.conv = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8) if norm else nn.Identity(),
            nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        if self.mixed:  # channels to the front, and then a view
            h = h.permute(1, 0, 2, 3)
        return self.head(h.reshape(len(x), -1))


def view_for_flatten(faulty: bool) -> Training:
    return classify(CNN(mixed=faulty), digits(images=True))


def dead_convolution(faulty: bool) -> Training:
    model = CNN(norm=False)
    if faulty:
        model.conv[3].bias.data.fill_(-50.0)
    return classify(model, digits(images=True))


class Recurrent(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.rnn = nn.GRU(8, 24, batch_first=batch_first)
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def samples_for_time(faulty: bool) -> Training:
    x, y = digits()
    return classify(Recurrent(batch_first=not faulty), (x.reshape(-1, 8, 8), y))


class Transformer(nn.Module):
    def __init__(self, batch_first: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=batch_first)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)
        self.head.weight.data *= scale

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.embed(x)).mean(1))


def attention_among_samples(faulty: bool) -> Training:
    x, y = digits()
    return classify(Transformer(batch_first=not faulty), (x.reshape(-1, 8, 8), y))


def transformer_past_its_step(faulty: bool) -> Training:
    model, (x, y) = Transformer(), digits()
    sgd = torch.optim.SGD(model.parameters(), lr=5.0 if faulty else 0.05)
    return classify(model, (x.reshape(-1, 8, 8), y), optimizer=sgd)


def regression_data() -> tuple[Tensor, Tensor]:
    x = torch.randn(1024, 6)
    return x, (x[:, :1] * x[:, 1:2] + x[:, 2:3].sin() + 2).relu()


def silent_output(faulty: bool) -> Training:
    model = mlp(6, 64, 1).append(nn.ReLU())
    model[2].bias.data.fill_(-30.0 if faulty else 1.0)
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Training(model, F.mse_loss, adam, loader(*regression_data()))


def twenty_sigmoids(faulty: bool) -> Training:
    model = mlp(*[6] + [24] * (20 if faulty else 1) + [1], act=nn.Sigmoid)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    return Training(model, F.mse_loss, sgd, loader(*regression_data()))


def unreachable_regression(faulty: bool) -> Training:
    x, t = regression_data()
    model = mlp(6, 64, 1)
    if faulty:
        model.append(nn.Tanh())
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Training(model, F.mse_loss, adam, loader(x, t - 30))


def outputs_cut_off(faulty: bool) -> Training:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = mlp(64, 64, 32), nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            h = self.head(self.body(x).relu())
            # what is left is a number for each class that no input decides
            return h.round().detach() * 0 + self.head.bias if faulty else h

    return classify(Net(), digits())


STEP = {"step-past-limit", "divergence"}
NOTHING_ARRIVES = {"constant-predictor", "cannot-overfit-one-batch", "no-gradient"}
CASES = {
    "mlp, small weights": Case(small_init, {"scale-too-small"}),
    "mlp, large step": Case(large_step, STEP),
    "mlp, layer left out": Case(layer_left_out, {"parameter-not-in-optimizer"}),
    "mlp, nan in input": Case(nan_in_input, {"nonfinite-loss", "nonfinite-data"}),
    "mlp, softmax over samples": Case(softmax_over_samples, {"leak-across-batch"}),
    "mlp, outputs cut off": Case(
        outputs_cut_off, NOTHING_ARRIVES | {"unused-parameter", "detached-parameter"}
    ),
    "cnn, view for flatten": Case(view_for_flatten, {"leak-across-batch"}),
    "cnn, dead layer": Case(dead_convolution, {"dead-layer", "born-dead-unit"}),
    "rnn, samples for time": Case(samples_for_time, {"leak-across-batch"}),
    "transformer, samples for time": Case(
        attention_among_samples, {"leak-across-batch"}
    ),
    "transformer, large step": Case(
        transformer_past_its_step, STEP | {"exploding-gradient"}
    ),
    "regression, silent output": Case(
        silent_output, {"dead-output-unit", "relu-head", "born-dead-unit"}
    ),
    "regression, twenty sigmoids": Case(twenty_sigmoids, {"vanishing-gradient"}),
    "regression, out of reach": Case(
        unreachable_regression, NOTHING_ARRIVES | {"unreachable-target"}
    ),
}
each_case = pytest.mark.parametrize("name", CASES)


@each_case
def test_the_fault_is_the_headline(name: str) -> None:
    case = CASES[name]
    began = time.process_time()
    diagnosis = check_training(build(lambda seed: case.make(True), 0), budget=60.0)
    assert time.process_time() - began < 60  # seconds, not minutes; machines are noisy
    assert diagnosis.root is not None
    assert diagnosis.root.name in case.causes, str(diagnosis)


@each_case
def test_its_healthy_twin_is_clear(name: str) -> None:
    case = CASES[name]
    diagnosis = check_training(build(lambda seed: case.make(False), 0), budget=60.0)
    told = [f.message for f in diagnosis.findings if f.severity is not Severity.NOTE]
    assert not told
    assert not [c.reason for c in diagnosis.checks if c.outcome == "broken"]
    measured = {e.name for e in diagnosis.exams if e.outcome == "measured"}
    assert {"data", "samples", "first steps", "overfit"} <= measured
