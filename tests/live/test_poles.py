"""Where a gradient broke, at work on sampled steps and by what it left on others."""

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn

import reluctant
from reluctant.live import Watch
from reluctant.records import Diagnosis


class Distance(nn.Module):
    """Two passes through one network, and a root that has no slope at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def embed(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.first(x).tanh())
        return out

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (self.embed(a) - self.embed(b)).square().sum(1).sqrt()


def watched(
    broken_at: int, steps: int = 60, *, looks: bool = True
) -> tuple[Watch, nn.Module]:
    """A training that meets a pair of equal samples at one step."""
    torch.manual_seed(0)
    model = Distance()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for step in range(steps):
            a, b = torch.randn(2, 16, 4)
            if step == broken_at:
                b[3] = a[3]
            loss = (model(a, b) - 1).square().mean()
            if loss.isnan() and not looks:
                break
            optimizer.zero_grad()
            run.loss(loss).backward()
            optimizer.step()
    return run, model


def told(diagnosis: Diagnosis) -> str:
    assert diagnosis.root is not None
    assert diagnosis.root.code == "NUM103"
    return diagnosis.root.message


def test_seen_at_work_on_a_sampled_step() -> None:
    message = told(watched(0)[0].diagnosis)
    assert "sqrt behind last was given a finite one and passed back none" in message


def test_told_by_what_it_left_on_any_other_step() -> None:
    run, _ = watched(50)
    assert not run.trace.notes("pole")  # step 50 is not sampled
    message = told(run.diagnosis)
    assert "at step 50" in message
    assert "it broke behind last" in message
    assert "poles: sqrt" in message


def test_told_at_the_end_where_the_loop_stops_by_itself() -> None:
    assert "at step 50" in told(watched(50, looks=False)[0].diagnosis)


def test_what_comes_of_it_stands_under_it() -> None:
    diagnosis = watched(50)[0].diagnosis
    assert diagnosis.explained["NUM101"] == "NUM103"


@pytest.mark.parametrize("lr", [50.0, 1e6])
def test_a_loss_that_left_its_scale_first_is_no_broken_gradient(lr: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(40):
            loss = (model(torch.randn(16, 4)) - 1).square().mean()
            optimizer.zero_grad()
            run.loss(loss).backward()
            optimizer.step()
    codes = {f.code for f in run.diagnosis.findings}
    assert "NUM103" not in codes
    assert "STP101" in codes or "STP201" in codes


def test_following_a_graph_does_not_keep_it_alive() -> None:
    run, model = watched(-1, steps=3)
    held = weakref.ref(model.first.weight)
    del model, run
    gc.collect()
    assert held() is None
