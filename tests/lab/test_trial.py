"""Pairs share state, batches and randomness; the verdict says what pairs can say."""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lab.treat_recipes import healthy, in_torch, noise, too_fast
from reluctant.lab import Training, build, trial
from reluctant.lab._bench import UNTREATED_RIVAL, Bench, Rival
from reluctant.lab._course import Course, Rounds
from reluctant.lab._pool import TaskDied, run_all
from reluctant.lab._trial import horizon, trial_of
from reluctant.records import (
    AddParameters,
    Change,
    DecayLearningRate,
    Prescription,
    Prune,
    RestartSelected,
    ScaleLearningRate,
    SplitUnits,
    StandardizeInput,
    SwapActivation,
    UsageError,
    WarmUp,
    WhitenInput,
    Widen,
)

NOTHING = AddParameters(())


def cure(name: str, *changes: Change) -> Prescription:
    return Prescription(
        remedy=name, cures="", changes=changes, trust="safe", because="a test"
    )


@pytest.mark.parametrize("recipe", [too_fast, in_torch])
def test_arms_without_a_difference_are_equal_bit_by_bit(recipe):
    found = trial(
        lambda seed: recipe(seed, 0.1), [cure("nothing", NOTHING)], seeds=3, steps=40
    )
    untreated, restart, nothing = found.arms
    assert [o.loss for o in nothing.outcomes] == [o.loss for o in untreated.outcomes]
    assert [o.loss for o in restart.outcomes] != [o.loss for o in untreated.outcomes]
    assert [a.engine for a in found.arms] == [
        "fused" if recipe is too_fast else "torch"
    ] * 3
    compared = found.against_untreated("nothing")
    assert (compared.wins, compared.losses, compared.ratio) == (0, 0, 1.0)
    assert compared.verdict == "no difference"


def test_engines_agree_on_the_same_pairs():
    # a hook on a module sends an arm to torch; batches and start stay the same
    fused = trial(healthy, [], seeds=2, steps=60).arms[0]

    def hooked(seed: int) -> Training:
        training = healthy(seed)
        training.model[0].register_forward_hook(lambda *_: None)
        return training

    bench = Bench(hooked, steps=60, workers=1)
    bench._is_fused = True  # as beside fused arms
    bench.run([UNTREATED_RIVAL], range(2))
    slow = trial_of(bench, [], range(2), "gap<0.05", 0.05, "").arms[0]
    assert (fused.engine, slow.engine) == ("fused", "torch")
    for a, b in zip(fused.outcomes, slow.outcomes, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-3)


def test_engines_agree_on_white_inputs():
    white = Rival("white", (cure("white", WhitenInput()),))

    def losses(recipe) -> list[float]:
        bench = Bench(recipe, steps=60, workers=1)
        bench._is_fused = True
        bench.run([white], range(2))
        (arm,) = trial_of(bench, [white], range(2), "gap<0.05", 0.05, "").arms[-1:]
        engines.append(arm.engine)
        return [o.loss for o in arm.outcomes]

    def hooked(seed: int) -> Training:
        training = healthy(seed)
        training.model[0].register_forward_hook(lambda *_: None)
        return training

    engines: list[str] = []
    assert losses(healthy) == pytest.approx(losses(hooked), rel=1e-3)
    assert engines == ["fused", "torch"]


def test_a_diverged_run_is_a_lost_pair():
    found = trial(
        too_fast, [cure("slower", ScaleLearningRate(0.03))], seeds=8, steps=80
    )
    assert {o.outcome for o in found.arm("untreated").outcomes} == {"diverged"}
    assert found.arm("untreated").success.successes == 0
    assert math.isinf(found.arm("untreated").loss)
    compared = found.against_untreated("slower")
    assert (compared.wins, compared.losses) == (8, 0)
    assert compared.verdict == "helped"
    assert compared.ratio == 0.0
    assert found.against_untreated("restart").verdict == "no difference"
    back = trial(healthy, [cure("faster", ScaleLearningRate(30))], seeds=8, steps=80)
    assert back.against_untreated("faster").verdict == "hurt"


def test_it_ends_when_the_answer_is_clear_and_goes_on_when_not():
    clear = trial(
        too_fast, [cure("slower", ScaleLearningRate(0.03))], seeds=20, steps=60
    )
    assert clear.ended == "the answer was clear"
    assert len(clear.seeds) == 10
    # where no pair is won or lost, more of them might still tell
    open_ = trial(healthy, [cure("nothing", NOTHING)], seeds=20, steps=20)
    assert len(open_.seeds) == 20


def test_the_same_trial_twice_is_the_same_on_any_number_of_cores():
    cures = [cure("slower", ScaleLearningRate(0.03)), cure("warm", WarmUp(20))]
    runs = [
        trial(in_torch, cures, seeds=3, steps=30, workers=workers) for workers in (1, 2)
    ]
    assert repr(runs[0]) == repr(runs[1])


def test_a_training_is_forked_and_left_alone():
    training = build(lambda seed: in_torch(seed, 0.05), 0)
    training.step(11)
    before = [p.detach().clone() for p in training.model.parameters()]
    stream = torch.get_rng_state()
    found = trial(training, [cure("slower", ScaleLearningRate(0.5))], seeds=3, steps=20)
    assert torch.equal(stream, torch.get_rng_state())
    assert all(map(torch.equal, before, training.model.parameters()))
    assert len({o.loss for o in found.arm("untreated").outcomes}) == 3  # other batches


def test_seeds_of_a_training_differ_though_its_loader_has_its_own_generator():
    data = TensorDataset(torch.randn(64, 6), torch.randn(64, 2))
    loader = DataLoader(data, 8, shuffle=True, generator=torch.Generator())
    model = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batches in (loader, list(loader)):
        training = Training(model, nn.MSELoss(), optimizer, batches)
        found = trial(training, [], seeds=3, steps=12)
        assert len({o.loss for o in found.arm("untreated").outcomes}) == 3


def test_what_does_not_fit_is_said_and_the_rest_goes_on():
    found = trial(
        healthy,
        [cure("split", SplitUnits()), cure("slower", ScaleLearningRate(0.5))],
        seeds=2,
        steps=20,
    )
    assert "no two hidden units" in found.arm("split").refusal
    assert not found.arm("split").outcomes
    assert len(found.arm("slower").outcomes) == 2
    assert found.against_untreated("split") is None


def test_a_recipe_that_breaks_at_a_seed_costs_that_pair():
    def fragile(seed: int) -> Training:
        if seed == 1:
            raise RuntimeError("no such luck")
        return in_torch(seed, 0.05)

    found = trial(fragile, [], seeds=3, steps=10, workers=1)
    outcomes = found.arm("untreated").outcomes
    assert [o.outcome == "raised" for o in outcomes] == [False, True, False]
    assert "no such luck" in outcomes[1].reason


def test_budgets():
    slower = [cure("slower", ScaleLearningRate(0.5))]
    with pytest.raises(UsageError, match="one pair of trainings takes 200"):
        trial(in_torch, slower, seeds=4, steps=100, most_steps=150)
    with pytest.raises(UsageError, match="a pair of trainings takes about"):
        trial(in_torch, slower, seeds=4, steps=1_000_000, seconds=0.01)
    found = trial(in_torch, slower, seeds=8, steps=20, most_steps=200, workers=1)
    assert found.ended == "the budget was used up"
    assert 1 <= len(found.arm("slower").outcomes) < 8


def test_bad_input():
    slower = cure("slower", ScaleLearningRate(0.5))
    with pytest.raises(UsageError, match="two prescriptions have one name"):
        trial(healthy, [slower, slower], seeds=2, steps=5)
    with pytest.raises(UsageError, match="seeds are 0"):
        trial(healthy, [slower], seeds=0, steps=5)
    with pytest.raises(UsageError, match="no criterion"):
        trial(healthy, [slower], seeds=2, steps=5, success="good")


def test_few_pairs_are_said_to_tell_nothing():
    found = trial(
        too_fast, [cure("slower", ScaleLearningRate(0.03))], seeds=4, steps=30
    )
    assert found.against_untreated("slower").verdict == "no difference"
    assert any("give 6 seeds or more" in note for note in found.notes)


def test_the_horizon_of_adam():
    model = nn.Linear(4, 4)
    with torch.no_grad():
        model.weight.fill_(0.5)
    training = Training(
        model, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-2), []
    )
    assert horizon(training) == 75  # 1.5 × 0.5 / 0.01
    training.optimizer = torch.optim.SGD(model.parameters(), 1e-2)
    assert horizon(training) == 0


def test_rounds_of_a_selection_cost_what_they_may():
    rounds = Rounds.of(RestartSelected(27, 1 / 3, 0.75), 11_000)
    assert rounds.counts == (27, 9, 3)
    assert rounds.steps == (101, 305, 916)
    assert 0.74 * 11_000 < rounds.cost <= 0.75 * 11_000


@pytest.mark.parametrize("recipe", [too_fast, in_torch])
def test_costs_are_equal_though_starts_are_many_and_nets_are_wide(recipe):
    cures = [
        cure("select", RestartSelected(9, 1 / 3, 0.6)),
        cure("wide", Widen((), 3.0)),
        cure("prune", Widen((), 4.0), Prune((), 0.25, 0.4)),
        cure("select-decay", RestartSelected(4, 1 / 2, 0.6), DecayLearningRate()),
    ]
    found = trial(lambda seed: recipe(seed, 0.05), cures, seeds=2, steps=200)
    for arm in found.arms:
        assert not arm.refusal
        assert arm.cost == pytest.approx(1, abs=0.05), arm.name
        assert all(o.outcome != "raised" for o in arm.outcomes)
    assert found.arm("wide").outcomes[0].steps < 90
    pruned = found.arm("prune").changes[1]
    assert isinstance(pruned, Prune) and pruned.sites


def test_a_course_is_sorted_by_when_changes_are_made():
    early, late = StandardizeInput(), Prune((), 0.5, 0.3)
    course = Course.of((late, WarmUp(3), early, RestartSelected()))
    assert course.early == (early,)
    assert course.schedules == (WarmUp(3),)
    assert course.late == ((0.3, late),)
    assert course.select == RestartSelected()


def test_functional_nets_are_treated_too():
    swap = cure("leak", SwapActivation((), "leaky_relu", 0.2))
    found = trial(lambda s: in_torch(s, 0.05), [swap], seeds=2, steps=20, workers=2)
    assert found.arm("leak").engine == "torch"
    assert found.arm("leak").changes == (
        SwapActivation(("hidden",), "leaky_relu", 0.2),
    )


def test_batches_without_an_end_of_data_are_scored_by_their_loss():
    found = trial(noise, [], seeds=2, steps=10, workers=1)
    assert all(math.isfinite(o.loss) for o in found.arm("untreated").outcomes)


def test_the_pool_gives_results_errors_and_deaths():
    import os

    def die() -> int:
        os._exit(3)

    def fail() -> int:
        raise ValueError("bad")

    tasks = [lambda: 1, fail, die, lambda: 4]
    found = dict(run_all(tasks, workers=2))
    assert (found[0], found[3]) == (1, 4)
    assert isinstance(found[1], ValueError)
    assert isinstance(found[2], TaskDied)
    assert Rival("a").changes == ()
