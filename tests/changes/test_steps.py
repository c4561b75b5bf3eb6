"""Optimizer state after surgery, and what runs around the step."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from changes.patients import bits, kill, outputs, patient, train
from reluctant.changes import Plain, apply
from reluctant.lab import Training
from reluctant.records import (
    Change,
    ClipGradNorm,
    DecayLearningRate,
    RepelUnits,
    ReviveUnits,
    StandardizeInput,
    SwapActivation,
    SwapOptimizer,
    WarmUp,
    WhitenInput,
)


@pytest.mark.parametrize("optimizer", ["adam", "amsgrad"])
def test_a_revived_unit_does_not_overshoot_under_adam(optimizer: str) -> None:
    sick, context = patient("mlp", optimizer, steps=400)
    kill(sick, "0", [2])
    train(sick, context.batches, 300)
    apply([ReviveUnits()], sick, context)
    rate, weight = sick.optimizer.param_groups[0]["lr"], sick.model[2].weight
    peak = 0.0
    for k in range(60):
        was = weight.detach()[:, 2].clone()
        train(sick, [context.batches[k % 4]], 1)
        peak = max(peak, float((weight.detach()[:, 2] - was).abs().max()))
    assert 0 < peak <= 1.5 * rate  # 6.6 times with moments of zero and the old count


def test_momentum_of_other_units_is_carried() -> None:
    sick, context = patient("mlp", "momentum")
    kill(sick, "0", [2])
    train(sick, context.batches, 5)
    weight = sick.model[0].weight
    was = sick.optimizer.state[weight]["momentum_buffer"].clone()
    apply([ReviveUnits()], sick, context)
    now = sick.optimizer.state[weight]["momentum_buffer"]
    others = torch.arange(8) != 2
    assert torch.equal(now[others], was[others])
    assert not now[2].any()


def test_warm_up_and_decay_multiply_and_put_back() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    sick = Plain(model, lambda out, y: out.sum(), optimizer)  # gradient 1
    apply([WarmUp(4), DecayLearningRate(8, "linear", 0.5, 0.0)], sick)
    x = torch.ones(1, 1)
    at = [0.0]
    for _ in range(9):
        train(sick, [(x, x)], 1)
        assert optimizer.param_groups[0]["lr"] == 1.0
        at.append(float(model.weight.detach()))
    steps = [a - b for a, b in pairwise(at)]
    assert steps == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0])


def test_clipping_keeps_the_norm_and_has_a_usual_one() -> None:
    sick, context = patient("mlp")
    done = apply([ClipGradNorm(0.0)], sick, context)
    (change,) = done.changes
    assert isinstance(change, ClipGradNorm)
    assert 0.01 < change.limit < 10
    before = torch.cat(
        [p.detach().reshape(-1).clone() for p in sick.model.parameters()]
    )
    train(sick, [(100 * context.batches[0][0], context.batches[0][1])], 1)
    after = torch.cat([p.detach().reshape(-1) for p in sick.model.parameters()])
    assert float((after - before).norm()) == pytest.approx(
        0.05 * change.limit, rel=1e-3
    )


def test_repelling_turns_units_apart() -> None:
    sick, context = patient("mlp")
    with torch.no_grad():
        sick.model[0].weight[1] = sick.model[0].weight[0] + 0.01

    def cosine() -> float:
        w = torch.cat([sick.model[0].weight, sick.model[0].bias[:, None]], dim=1)
        return float(F.cosine_similarity(w[0], w[1], dim=0).detach())

    first = cosine()
    done = apply([RepelUnits(("0",), 5.0)], sick, context)
    train(sick, context.batches, 200)
    assert cosine() < 0.6 < first
    done.undo()
    assert cosine() == first


def test_the_optimizer_object_stays_and_keeps_its_hooks() -> None:
    sick, context = patient("mlp", "momentum")
    calls = []
    sick.optimizer.register_step_post_hook(lambda *_: calls.append(1))
    done = apply([SwapOptimizer("adam", 0.01)], sick, context)
    assert isinstance(sick.optimizer, torch.optim.Adam)
    train(sick, context.batches, 3)
    assert len(calls) == 3
    assert "exp_avg" in sick.optimizer.state[sick.model[0].weight]
    done.undo()
    assert isinstance(sick.optimizer, torch.optim.SGD)
    train(sick, context.batches, 1)


@pytest.mark.parametrize(
    ("net", "scaling"),
    [("functional", StandardizeInput()), ("mlp", WhitenInput())],
)
def test_a_fork_carries_the_changes_over(net: str, scaling: Change) -> None:
    sick, context = patient(net, "adam")
    changes = [
        SwapActivation((), "leaky_relu", 0.2),
        scaling,
        RepelUnits(),
        WarmUp(10),
        ClipGradNorm(0.5),
    ]
    training = Training(sick.model, sick.loss_fn, sick.optimizer, list(context.batches))
    apply(changes, training, context)
    fork = training.fork()
    before = bits(sick)
    there = fork.step(6)
    assert bits(sick) == before
    assert training.step(6) == there
    assert torch.equal(
        outputs(training, context.batches), outputs(fork, context.batches)
    )
