"""Every change is made in place and taken back byte for byte, or refused whole."""

import random
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from changes.patients import NETS, OPTIMIZERS, Residual, bits, kill, patient, train
from reluctant.changes import Context, DoesNotFit, NothingToDo, Plain, apply
from reluctant.records import (
    AddDropout,
    AddParameters,
    Change,
    ClipGradNorm,
    DecayLearningRate,
    EditSource,
    InsertActivation,
    Prune,
    Reinitialize,
    RepelUnits,
    RescaleUnits,
    Restart,
    RestartSelected,
    ReviveOutputs,
    ReviveUnits,
    ScaleDropout,
    ScaleLearningRate,
    ScaleOutgoing,
    ScaleWeightDecay,
    SplitUnits,
    StandardizeInput,
    StandardizeTarget,
    SwapActivation,
    SwapLoss,
    SwapOptimizer,
    TrainMode,
    UnboundOutputs,
    UsageError,
    WarmUp,
    WhitenInput,
    Widen,
)

FIRST = {"mlp": "0", "cnn": "0", "functional": "conv", "own": "0", "inline": "conv"}
LAST = {"mlp": "2", "cnn": "3", "functional": "fc1", "own": "2", "inline": "fc1"}


def changes(net: str) -> list[Change]:
    site = FIRST[net]
    found: list[Change] = [
        AddDropout(),
        AddParameters(()),
        ClipGradNorm(1.0),
        ClipGradNorm(0.0),
        DecayLearningRate(),
        *(Reinitialize((), s) for s in ("he", "glorot", "lecun", "orthogonal", "lsuv")),
        RepelUnits(),
        Restart(),
        ReviveUnits({site: (0, 2)}),
        ReviveUnits(),
        ScaleLearningRate(0.5),
        ScaleOutgoing(),
        ScaleOutgoing((site,), 0.1),
        StandardizeInput(),
        StandardizeTarget((1.0,), (2.0,)),
        SwapActivation((), "elu"),
        SwapActivation((site,), "leaky_relu", 0.2),
        SwapActivation((site,), "linear"),
        SwapLoss("mse"),
        *(SwapOptimizer(o, 0.01) for o in ("sgd", "momentum", "adam", "adamw")),
        WarmUp(10),
        Widen(),
        Widen((LAST[net],), 1.5),
    ]
    if net == "mlp":
        found += [WhitenInput(), WhitenInput(keep_function=True)]
        found += [RescaleUnits(), Prune(), SplitUnits({"0": (1, 3)})]
    return found


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("net", NETS)
def test_each_change_trains_on_and_is_undone(net: str, optimizer: str) -> None:
    sick, context = patient(net, optimizer)
    kill(sick, FIRST[net], [0, 2])
    if net == "mlp":
        with torch.no_grad():  # a merged pair, too
            sick.model[0].weight[3] = 2 * sick.model[0].weight[1]
            sick.model[0].bias[3] = 2 * sick.model[0].bias[1]
    before = bits(sick)
    kept = sick.model, sick.optimizer
    for change in changes(net):
        streams = (
            torch.get_rng_state(),
            random.getstate(),
            np.random.get_state()[1].copy(),  # noqa: NPY002
        )
        done = apply([change], sick, context)
        assert torch.equal(torch.get_rng_state(), streams[0]), change
        assert random.getstate() == streams[1]
        assert (np.random.get_state()[1] == streams[2]).all()  # noqa: NPY002
        assert (sick.model, sick.optimizer) == kept
        owned = {id(p) for g in sick.optimizer.param_groups for p in g["params"]}
        assert owned == {id(p) for p in sick.model.parameters()}, change
        losses = train(sick, context.batches, 6)
        assert all(np.isfinite(losses)), change
        assert change == AddParameters(()) or bits(sick) != before, change
        done.undo()
        assert bits(sick) == before, change
        done.undo()  # does nothing
        assert bits(sick) == before, change


def test_the_list_of_changes_is_covered() -> None:
    # with tests of their own
    others = {
        EditSource,
        InsertActivation,
        RestartSelected,
        ReviveOutputs,
        ScaleDropout,
        ScaleWeightDecay,
        TrainMode,
        UnboundOutputs,
    }
    covered = {type(c) for c in changes("mlp")} | others
    assert covered == set(get_args(Change))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (EditSource("a", "b", "the loop"), "only its author"),
        (RestartSelected(), "many trainings"),
        (WarmUp(0), "1 or more"),
        (Widen((), 1.0), "does not widen"),
        (Prune((), 2.0), "does not prune"),
        (AddDropout((), 1.0), "between 0 and 1"),
        (SwapActivation(("nowhere",), "elu"), "no layer of this model"),
        (SwapActivation(("4",), "elu"), "no known activation"),
        (Reinitialize(("1",), "he"), "no Linear or Conv"),
        (AddParameters(("nothing",)), "no parameter 'nothing'"),
        (ReviveUnits({"0": (99,)}), "has 8 units"),
        (ReviveUnits({"4": (0,)}), "are outputs"),
        (StandardizeTarget(), "floating-point"),
        (WhitenInput((0.0,), ((1.0, 0.0),)), "as many rows and columns"),
        (SwapLoss("nll", "mean"), ""),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(
    change: Change, reason: str
) -> None:
    sick, context = patient("mlp", "adam")
    before = bits(sick)
    if not reason:
        apply([change], sick, context).undo()
    else:
        with pytest.raises(DoesNotFit, match=reason):
            apply([ScaleLearningRate(0.1), change], sick, context)
    assert bits(sick) == before


@pytest.mark.parametrize("change", [SplitUnits(), ReviveOutputs()])
def test_a_change_that_finds_nothing_is_left_out_unless_it_is_alone(
    change: Change,
) -> None:
    sick, context = patient("mlp", "adam")
    before = bits(sick)
    with pytest.raises(NothingToDo, match=r"no two hidden|no output behind"):
        apply([change], sick, context)
    assert bits(sick) == before
    done = apply([change, ScaleLearningRate(0.1)], sick, context)
    assert done.changes == (ScaleLearningRate(0.1),)


def test_a_living_unit_is_not_revived() -> None:
    sick, context = patient("mlp")
    before = bits(sick)
    with pytest.raises(DoesNotFit, match="not silent"):
        apply([ReviveUnits({"2": (0, 1, 2, 3, 4, 5, 6)})], sick, context)
    assert bits(sick) == before


def test_what_cannot_be_followed_is_refused() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.a(x) if x.sum() > 0 else self.b(x)

    for model, features, sites, reason in (
        (Branching(), 3, (), "torch.fx"),
        (Residual(), 6, ("a",), "add stands behind a"),
        (nn.Linear(3, 3), 3, (), "one layer"),
    ):
        data = [(torch.randn(8, features), torch.randint(2, (8,)))]
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        sick = Plain(model, nn.CrossEntropyLoss(), optimizer)
        with pytest.raises(DoesNotFit, match=reason):
            apply([Widen(sites, 2.0)], sick, Context(data))


def test_a_change_that_needs_data_says_so() -> None:
    sick, _ = patient("mlp")
    for change in (
        ReviveUnits(),
        StandardizeInput(),
        WhitenInput(),
        Reinitialize((), "lsuv"),
    ):
        with pytest.raises(UsageError, match="batches"):
            apply([change], sick)
