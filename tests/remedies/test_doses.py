"""The same remedy at another dose, its patch with it; and what is frozen."""

import msgspec
import pytest
import torch
from torch import nn

import reluctant
from reluctant.records import (
    AddParameters,
    Change,
    Finding,
    Prescription,
    ScaleDropout,
    ScaleLearningRate,
    SwapOptimizer,
    Trace,
)
from reluctant.remedies import REMEDIES, at_dose
from reluctant.remedies.thaw_parameters import ThawParameters

UNKNOWN = Finding(code="", name="x", severity="note", confidence="low", message="x")


def recorded(*, freeze: bool) -> Trace:
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.9), nn.Linear(8, 1))
    model[0].requires_grad_(not freeze)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.002)
    with reluctant.watch(model, optimizer, budget=1.0) as run:
        for _ in range(3):
            optimizer.zero_grad()
            run.loss(model(torch.randn(8, 4)).square().mean()).backward()
            optimizer.step()
    return run.trace


def prescribed(name: str, trace: Trace) -> Prescription:
    (remedy,) = (r for r in REMEDIES if r.name() == name)
    made = remedy().prescribe(UNKNOWN, trace)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("name", "times", "change", "patch"),
    [
        (
            "lower-learning-rate",
            0.1,
            ScaleLearningRate(0.01),
            "lr = 2e-05  # was 0.002",
        ),
        (
            "raise-learning-rate",
            3.2,
            ScaleLearningRate(32.0),
            "lr = 0.064  # was 0.002",
        ),
        ("use-adam", 3.2, SwapOptimizer("adam", 0.0032), "lr=0.0032)"),
        (
            "use-momentum",
            10.0,
            SwapOptimizer("momentum", 0.002, 0.9),
            "lr=0.002, momentum=0.9)",
        ),
        ("drop-less", 0.5, ScaleDropout(0.1), "nn.Dropout(0.1 * p)"),
    ],
)
def test_a_dose_is_in_the_change_and_in_the_patch(
    name: str, times: float, change: Change, patch: str
) -> None:
    trace = recorded(freeze=False)
    one = prescribed(name, trace)
    other = at_dose(one, times, trace)
    assert other is not None
    assert other.changes == (change,)
    assert patch in other.patch
    kept = msgspec.structs.replace(other, changes=one.changes, patch=one.patch)
    assert kept == one


def test_what_has_no_dose_is_left_alone() -> None:
    trace = recorded(freeze=False)
    for name in ("standardize-inputs", "let-learning-rate-fall", "clip-gradients"):
        assert at_dose(prescribed(name, trace), 2.0, trace) is None


def test_what_is_frozen_is_thawed_in_a_trial_whatever_was_found() -> None:
    assert ThawParameters().prescribe(UNKNOWN, recorded(freeze=False)) is None
    made = prescribed("thaw-parameters", recorded(freeze=True))
    assert made.changes == (AddParameters(("0.weight", "0.bias")),)
    assert made.trust == "invasive"
