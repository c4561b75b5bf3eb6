"""How the gradient fares over a sequence: against the closed form, and what is said."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reluctant
from reluctant.live import Watch
from reluctant.records.quantities import SEQUENCE_GRAD_GROWTH
from reluctant.rules.gradient.exploding_gradient import ExplodingGradient
from reluctant.rules.gradient.vanishing_gradient import VanishingGradient
from reluctant.rules.step_size.step_past_limit import StepPastLimit
from rules.rule_cases import FALLING, FLAT, judged


class Recurrence(nn.Module):
    """A state that is multiplied by one matrix at every place."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.step = nn.Linear(3, 3, bias=False)
        self.step.weight.data = factor * torch.eye(3)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(x.shape[0], 3)
        for place in range(x.shape[1]):
            state = self.step(state) + x[:, place]
        return state


def watched(model: nn.Module, length: int, lr: float, steps: int = 1) -> Watch:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    torch.manual_seed(0)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(steps):
            x = torch.randn(16, length, 3)
            loss = F.mse_loss(model(x), x.sum(1))
            optimizer.zero_grad()
            run.loss(loss).backward()
            optimizer.step()
    return run


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_growth_is_a_power_of_the_factor(factor: float) -> None:
    run = watched(Recurrence(factor), length=21, lr=0.0)
    (growth,) = run.trace.series(SEQUENCE_GRAD_GROWTH, "step").values
    assert growth == pytest.approx(20 * math.log10(factor), abs=1e-5)


def test_a_short_sequence_and_a_plain_network_have_none() -> None:
    plain = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Flatten())
    assert not watched(Recurrence(1.0), 5, 0.0).trace.has(SEQUENCE_GRAD_GROWTH)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    with reluctant.watch(plain, optimizer) as run:
        run.loss(plain(torch.randn(4, 3)).sum()).backward()
        optimizer.step()
    assert not run.trace.has(SEQUENCE_GRAD_GROWTH)


def test_what_explodes_over_the_sequence_is_no_long_step() -> None:
    diagnosis = watched(Recurrence(2.0), length=30, lr=1e-3, steps=40).diagnosis
    assert diagnosis.root is not None
    assert diagnosis.root.code == "GRD102"
    assert "from the end of the sequence to its beginning" in diagnosis.root.message


GROWING = {"sequence_grad_growth": {"rnn": [8.0] * 100}}
SHRINKING = {"sequence_grad_growth": {"rnn": [-9.0] * 100}}
GRADIENTS = {"grad_rms": {"fc0.weight": [0.1] * 100}}


def test_growth_without_harm_is_none() -> None:
    trace = judged(loss=FALLING, **GROWING, **GRADIENTS)
    assert not list(ExplodingGradient().check(trace))
    assert list(ExplodingGradient().check(judged(loss=FLAT, **GROWING, **GRADIENTS)))


def test_growth_that_steps_have_made_is_their_fault() -> None:
    late = {"sequence_grad_growth": {"rnn": [0.0] * 10 + [8.0] * 90}}
    rising = [1.4 * 1.2**i for i in range(100)]
    gains = {"step_gain": [0.3] * 100, "step_curvature": [3.0] * 100}
    trace = judged(
        loss=rising, update_ratio={"fc0.weight": [0.01] * 100}, **gains, **late
    )
    assert list(StepPastLimit().check(trace))


@pytest.mark.parametrize(
    ("loss", "ratio", "is_found"),
    [(FLAT, 1e-3, True), (FALLING, 1e-3, False), (FLAT, 1e-7, False)],
)
def test_what_shrinks_over_the_sequence(
    loss: list[float], ratio: float, is_found: bool
) -> None:
    trace = judged(
        loss=loss,
        signal_grad_rms={f"fc{i}": [0.1] * 100 for i in range(4)},
        update_ratio={"fc0.weight": [ratio] * 100},
        **SHRINKING,
    )
    found = list(VanishingGradient().check(trace))
    assert bool(found) is is_found
