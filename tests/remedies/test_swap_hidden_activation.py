"""Rectifiers in the place of sigmoids, and of what the user wrote."""

import math

import pytest
import torch
from torch import nn

from builders import trace_of
from corpus._recipes import recipes
from reluctant.changes import Context, DoesNotFit, Plain, apply
from reluctant.lab._candidates import candidates, watched
from reluctant.records import (
    Confidence,
    Finding,
    Layer,
    Prescription,
    Reinitialize,
    Setup,
    Severity,
    SwapActivation,
)
from reluctant.remedies.swap_hidden_activation import SwapHiddenActivation

HE = Reinitialize((), "he")


def prescribed(code: str, *activations: str) -> Prescription | None:
    layers = [Layer(site=f"{i}", activation=a) for i, a in enumerate(activations)]
    setup = Setup(layers=(*layers, Layer(site="head", is_head=True)))
    finding = Finding(
        code=code,
        name="",
        severity=Severity.ERROR,
        confidence=Confidence.HIGH,
        message="",
    )
    return SwapHiddenActivation().prescribe(finding, trace_of(setup=setup))


@pytest.mark.parametrize("code", ["GRD101", "UNT401", "GRD102", "UNT501", ""])
def test_bounded_activations_alone_are_swapped(code: str) -> None:
    found = prescribed(code, "sigmoid", "relu", "tanh")
    assert found is not None
    assert found.changes == (SwapActivation(("0", "2"), "relu"), HE)
    assert "sigmoid and tanh" in found.because
    assert prescribed(code, "relu", "gelu") is None
    assert prescribed(code, "relu", "") is None
    assert prescribed(code) is None


@pytest.mark.parametrize(
    ("code", "is_tried"),
    [("GRD102", True), ("UNT501", True), ("", True), ("GRD101", False)],
)
def test_activations_without_a_name_are_tried(code: str, is_tried: bool) -> None:
    found = prescribed(code, "", "")
    assert (found is not None) == is_tried
    if found is not None:
        assert found.changes == (SwapActivation((), "relu"), HE)
        assert code not in SwapHiddenActivation.treats  # nothing a diagnosis says


def test_layers_with_nothing_between_them_are_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    sick = Plain(model, nn.MSELoss(), torch.optim.SGD(model.parameters(), 0.1))
    found = prescribed("UNT501", "", "")
    assert found is not None
    with pytest.raises(DoesNotFit, match="no hidden layer"):
        apply(found.changes, sick)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exploding_cubes", "saturated_steep_sigmoid"])
def test_it_comes_with_the_cause_and_lets_the_recipe_learn(name: str) -> None:
    (recipe,) = (r for r in recipes() if r.name == name)
    training = recipe.build("faulty", 0)
    diagnosis, trace = watched(training, recipe.steps, name=name)
    assert diagnosis.root is not None
    assert diagnosis.root.name == recipe.cause or diagnosis.root.name in recipe.also
    wanted, _ = candidates([diagnosis], trace, is_recipe=True)
    (found,) = (p for p in wanted if p.remedy == SwapHiddenActivation.name())
    assert found.cures == diagnosis.root.code  # for the cause, not because it may help
    apply(found.changes, training, Context(seed=0))
    losses = training.step(150)[-20:]
    assert math.fsum(losses) / 20 < 0.6  # untreated: nan, and 2
