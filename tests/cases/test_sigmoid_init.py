"""The start that suits logistic units and starves ReLU: what learns, and why."""

import json

import numpy as np
import pytest
import torch

from reluctant.cases import run_case
from reluctant.cases._data import load_digits
from reluctant.cases._sigmoid_init_nets import (
    CHANGED,
    HE,
    OLD,
    STARVED,
    UNIFORM,
    constant_loss,
    norms,
    signals,
    train,
)
from reluctant.cases._sigmoid_init_watched import make, watched
from reluctant.report import figures


@pytest.fixture(scope="module")
def digits():
    return load_digits(None)


@pytest.fixture(autouse=True)
def _no_mnist(monkeypatch):
    monkeypatch.delenv("RELUCTANT_DATA", raising=False)


def test_the_change_keeps_the_weights(digits):
    for (old, _), (new, _) in zip(OLD.start(3, 64), CHANGED.start(3, 64), strict=True):
        assert old.tobytes() == new.tobytes()
    assert OLD.rate == CHANGED.rate


def test_uniform_start_reaches_its_ends():
    weight = UNIFORM.start(0, 64)[0][0]
    assert 0.49 < weight.max() <= 0.5
    assert -0.5 <= weight.min() < -0.49


def test_signals_are_those_of_autograd(digits):
    for arm in (OLD, STARVED, HE):
        found = signals(digits, arm, 0, samples=200)
        training = make(digits, arm, 0)
        x = torch.from_numpy(digits.train_x[:200]).double()
        y = torch.from_numpy(digits.train_y[:200])
        model = training.model.double()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        for layer, rms in zip(list(model)[::2], found.gradient, strict=True):
            again = layer.weight.grad.square().mean().sqrt()
            assert rms == pytest.approx(float(again), rel=1e-9)
        bias = model[-1].bias.grad.square().mean().sqrt()
        assert found.class_bias == pytest.approx(float(bias), rel=1e-9)


def test_the_old_start_feeds_the_head_of_logistic_units_alone(digits):
    old, starved, he = (signals(digits, arm, 0) for arm in (OLD, STARVED, HE))
    assert old.gradient[-1] > 1e3 * starved.gradient[-1]
    assert starved.class_bias > 1e3 * starved.gradient.max()
    assert starved.varying[-1] < 1e-4 * starved.varying[0]
    assert he.varying[-1] > 0.2 * he.varying[0]


def test_starved_net_learns_the_constant_and_another_start_learns_digits(digits):
    lost, won = train(
        digits, (STARVED, UNIFORM), [0], epochs=6, progress=lambda line: None
    )
    assert not lost.learned
    late = lost.run.records.loss[-20:].mean()  # two epochs
    assert late == pytest.approx(constant_loss(digits), abs=0.005)
    assert won.accuracy > 0.9
    (start, _), (end, biases) = norms(digits, STARVED, 0, steps=(0, 800))
    assert end == pytest.approx(start, rel=1e-3)
    assert biases > 0.01


def test_norms_are_those_on_the_way(digits):
    both = norms(digits, UNIFORM, 1, steps=(100, 200))
    assert norms(digits, UNIFORM, 1, steps=(100,)) == both[:1]
    assert np.isfinite(both).all()


def test_the_starved_one_is_headed_scale_too_small(digits):
    assert watched(digits, STARVED, 0, 150)["root"] == "INI101"


@pytest.mark.slow
def test_the_whole_case():
    result = run_case("sigmoid-init", quick=True, seed=0)
    arms = result.numbers["arms"]
    learned = {name: told["learned"] / told["n"] for name, told in arms.items()}
    assert learned[OLD.name] == learned[UNIFORM.name] == learned[HE.name] == 1
    assert learned[CHANGED.name] == learned[STARVED.name] == 0
    assert not any(t["learned"] for t in result.numbers["starved_by_rate"].values())
    first = {
        name: np.median([seed["learned_at"] for seed in arms[name]["seeds"]])
        for name in (OLD.name, UNIFORM.name)
    }
    assert first[UNIFORM.name] < first[OLD.name] / 4
    gone = result.numbers["norms"]["the same with weight decay 0.001"]["weights"]
    assert gone[-1] < 1e-3 * gone[0]
    roots = {k: told["root"] for k, told in result.numbers["diagnosis"].items()}
    assert roots == {"starved": "INI101", "uniform": None, "he": None}
    json.dumps(result.numbers, allow_nan=False)
    names = [figure.name for figure in result.figures]
    assert len(set(names)) == len(names)
    page = figures.render("sigmoid-init", result.story, result.figures)
    assert all(f'id="figure-{name}"' in page for name in names)
